import {createHash, randomBytes} from 'node:crypto';
import {XMLParser} from 'fast-xml-parser';
import {escapeXml} from './ec2-protocol.ts';
import {Refusal} from './model.ts';
import type {PeerState} from './state.ts';

/** As much of S3 as an upload in parts needs, path style (S3 API reference). */
export interface S3Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Buffer;
}

export interface S3Answer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly parts: Map<number, Buffer>;
}

const leastPartBytes = 5 * 2 ** 20;

export class PeerS3 {
  readonly uploads = new Map<string, Upload>();
  readonly #state: PeerState;

  constructor(state: PeerState) {
    this.#state = state;
  }

  static action({method, query}: S3Request): string {
    if (query.has('uploads')) return method === 'POST' ? 'CreateMultipartUpload' : 'ListMultipartUploads';
    if (query.has('uploadId')) {
      return (
        {PUT: 'UploadPart', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload'}[method] ?? method
      );
    }
    return {PUT: 'PutObject', GET: 'GetObject', HEAD: 'HeadObject', DELETE: 'DeleteObject'}[method] ?? method;
  }

  answer(request: S3Request): S3Answer {
    const [, bucket = '', ...rest] = request.path.split('/').map(decodeURIComponent);
    const key = rest.join('/');
    const objects = this.#state.buckets.get(bucket);
    if (objects === undefined) throw new Refusal('NoSuchBucket', 'The specified bucket does not exist', 404);
    const {query, body} = request;
    switch (PeerS3.action(request)) {
      case 'CreateMultipartUpload': {
        const id = randomBytes(12).toString('hex');
        this.uploads.set(id, {bucket, key, parts: new Map()});
        return xml(
          'InitiateMultipartUploadResult',
          `<Bucket>${bucket}</Bucket><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId>`,
        );
      }
      case 'ListMultipartUploads': {
        const prefix = query.get('prefix') ?? '';
        const found = [...this.uploads].filter(
          ([, upload]) => upload.bucket === bucket && upload.key.startsWith(prefix),
        );
        return xml(
          'ListMultipartUploadsResult',
          found
            .map(
              ([id, upload]) =>
                `<Upload><Key>${escapeXml(upload.key)}</Key><UploadId>${id}</UploadId></Upload>`,
            )
            .join(''),
        );
      }
      case 'UploadPart': {
        const {parts} = this.#upload(query);
        const number = Number(query.get('partNumber'));
        if (!(number >= 1 && number <= 10_000))
          throw new Refusal('InvalidArgument', 'Part number must be from 1 to 10000');
        parts.set(number, body);
        return {status: 200, body: '', headers: {etag: etagOf(body)}};
      }
      case 'CompleteMultipartUpload':
        objects.set(key, complete(this.#upload(query), body));
        this.uploads.delete(query.get('uploadId') ?? '');
        return xml('CompleteMultipartUploadResult', `<Key>${escapeXml(key)}</Key>`);
      case 'AbortMultipartUpload':
        this.#upload(query);
        this.uploads.delete(query.get('uploadId') ?? '');
        return {status: 204, body: ''};
      case 'HeadObject': {
        const object = objects.get(key);
        if (object === undefined) return {status: 404, body: ''};
        return {
          status: 200,
          body: '',
          headers: {'content-length': String(object.length), etag: etagOf(object)},
        };
      }
      case 'DeleteObject':
        objects.delete(key);
        return {status: 204, body: ''};
      default:
        throw new Refusal('NotImplemented', 'The peer does not know that', 501);
    }
  }

  #upload(query: URLSearchParams): Upload {
    const upload = this.uploads.get(query.get('uploadId') ?? '');
    if (upload === undefined) throw new Refusal('NoSuchUpload', 'The specified upload does not exist', 404);
    return upload;
  }
}

function complete({parts}: Upload, body: Buffer): Buffer {
  const told = new XMLParser({isArray: (name) => name === 'Part', parseTagValue: false}).parse(
    body.toString(),
  ) as {
    CompleteMultipartUpload: {Part: readonly {PartNumber: string; ETag: string}[]};
  };
  const wanted = told.CompleteMultipartUpload.Part;
  return Buffer.concat(
    wanted.map(({PartNumber, ETag}, index) => {
      const number = Number(PartNumber);
      const part = parts.get(number);
      if (number !== index + 1)
        throw new Refusal('InvalidPartOrder', 'The list of parts was not in ascending order');
      if (part === undefined || etagOf(part) !== ETag.replaceAll('&quot;', '"'))
        throw new Refusal('InvalidPart', `The part ${PartNumber} is not what was uploaded`);
      if (index < wanted.length - 1 && part.length < leastPartBytes)
        throw new Refusal('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
      return part;
    }),
  );
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}

function xml(name: string, inner: string): S3Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${name}>`;
  return {status: 200, body, headers: {'content-type': 'application/xml'}};
}

export function s3RefusalXml({code, message}: Refusal): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`;
}
