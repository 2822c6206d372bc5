import {createReadStream} from 'node:fs';
import {Readable} from 'node:stream';
import type {CompletedPart, S3Client} from '@aws-sdk/client-s3';
import {silentLogger} from '../../src/clients/aws/config.ts';
import {type AwsSdk, loadAwsSdk} from '../../src/clients/aws/sdk.ts';
import {isDiskError, readAll} from '../../src/http/body.ts';
import {defaultSilenceMs} from '../../src/http/client.ts';
import {RemoteError} from '../../src/http/error.ts';
import {printable} from '../../src/ui/format.ts';
import {type Blob, largestRecordBytes, type PutRecordOptions, type RemoteBackend} from './backend.ts';
import {saveBlob} from './transfer.ts';

export interface S3BackendOptions {
  readonly bucket: string;
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** For other servers than Amazon's. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly silenceMs?: number | undefined;
  /** Blobs above it go up in parts of this size; S3 takes no parts below 5 MiB and no more than 10,000 of them. */
  readonly partBytes?: number | undefined;
}

type Sdk = AwsSdk<'s3'>;

interface Connection {
  readonly sdk: Sdk;
  readonly client: S3Client;
}

const defaultPartBytes = 256 * 1024 * 1024;

/**
 * A remote cache in a bucket: `<prefix>/ac/<key>` and `<prefix>/cas/<sha256>`. Credentials come from the SDK's own
 * chain: environment, profiles, roles. The SDK is an optional package, loaded by the first call.
 */
export class S3Backend implements RemoteBackend {
  readonly name: string;
  readonly #options: S3BackendOptions;
  #connection: Promise<Connection> | undefined;

  constructor(options: S3BackendOptions) {
    this.#options = options;
    this.name = `s3://${[options.bucket, options.prefix].filter(Boolean).join('/')}`;
  }

  getRecord(key: string, signal: AbortSignal): Promise<Buffer | undefined> {
    return this.#call(signal, async ({sdk, client}) => {
      try {
        const command = new sdk.GetObjectCommand(this.#object('ac', key));
        const {Body: body} = await client.send(command, {abortSignal: signal});
        return await readAll(asStream(body), largestRecordBytes);
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    });
  }

  putRecord(key: string, record: Buffer, {replace, signal}: PutRecordOptions): Promise<void> {
    return this.#call(signal, async ({sdk, client}) => {
      // Not every server knows If-None-Match on PUT: OpenStack Swift answers 501.
      if (replace !== true && (await this.#size('ac', key, signal)) !== undefined) return;
      const object = {...this.#object('ac', key), Body: record, ContentType: 'application/json'};
      const options = {abortSignal: signal};
      const createOnly = replace === true ? {} : {IfNoneMatch: '*'};
      try {
        await client.send(new sdk.PutObjectCommand({...object, ...createOnly}), options);
      } catch (error) {
        const status = statusOf(error);
        // 409: another writer is at it this moment.
        if (status === 412 || status === 409) return;
        if (status !== 501 || replace === true) throw error;
        await client.send(new sdk.PutObjectCommand(object), options);
      }
    });
  }

  hasBlob(blob: Blob, signal: AbortSignal): Promise<boolean> {
    return this.#call(signal, async () => (await this.#size('cas', blob.sha256, signal)) === blob.sizeBytes);
  }

  getBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    return this.#call(signal, async ({sdk, client}) => {
      const command = new sdk.GetObjectCommand(this.#object('cas', blob.sha256));
      try {
        const {Body: body} = await client.send(command, {abortSignal: signal});
        await saveBlob(asStream(body), blob, {path, signal});
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
        throw new RemoteError('missing', `The blob ${blob.sha256.slice(0, 12)} is not there any more`);
      }
    });
  }

  putBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    return this.#call(signal, async (connection) => {
      const partBytes = Math.max(
        this.#options.partBytes ?? defaultPartBytes,
        Math.ceil(blob.sizeBytes / 10_000),
      );
      if (blob.sizeBytes > partBytes) {
        await this.#putParts(connection, {blob, path, partBytes, signal});
        return;
      }
      const {sdk, client} = connection;
      const command = new sdk.PutObjectCommand({
        ...this.#object('cas', blob.sha256),
        Body: blob.sizeBytes === 0 ? Buffer.alloc(0) : createReadStream(path),
        ContentLength: blob.sizeBytes,
        ContentType: 'application/octet-stream',
      });
      // The signature (SigV4) then is for these bytes, and the server refuses others.
      command.middlewareStack.add(
        (next) => (step) => {
          const request: unknown = step.request;
          if (hasHeaders(request)) request.headers['x-amz-content-sha256'] = blob.sha256;
          return next(step);
        },
        {step: 'build', name: 'fgimageContentDigest'},
      );
      await client.send(command, {abortSignal: signal});
    });
  }

  async #putParts(
    {sdk, client}: Connection,
    {blob, path, partBytes, signal}: {blob: Blob; path: string; partBytes: number; signal: AbortSignal},
  ): Promise<void> {
    const object = this.#object('cas', blob.sha256);
    const options = {abortSignal: signal};
    const {UploadId} = await client.send(new sdk.CreateMultipartUploadCommand(object), options);
    const upload = {...object, UploadId};
    try {
      const parts: CompletedPart[] = [];
      for (let offset = 0; offset < blob.sizeBytes; offset += partBytes) {
        const sizeBytes = Math.min(partBytes, blob.sizeBytes - offset);
        const PartNumber = parts.length + 1;
        const command = new sdk.UploadPartCommand({
          ...upload,
          PartNumber,
          Body: createReadStream(path, {start: offset, end: offset + sizeBytes - 1}),
          ContentLength: sizeBytes,
        });
        const {ETag} = await client.send(command, options);
        parts.push({ETag, PartNumber});
      }
      const MultipartUpload = {Parts: parts};
      await client.send(new sdk.CompleteMultipartUploadCommand({...upload, MultipartUpload}), options);
    } catch (error) {
      // Parts cost money until they are told to go; the first error is the one to tell.
      await client.send(new sdk.AbortMultipartUploadCommand(upload)).catch(() => undefined);
      throw error;
    }
  }

  /** Size of an object; undefined when there is none. */
  async #size(kind: 'ac' | 'cas', name: string, signal: AbortSignal): Promise<number | undefined> {
    const {sdk, client} = await this.#connect();
    try {
      const command = new sdk.HeadObjectCommand(this.#object(kind, name));
      return (await client.send(command, {abortSignal: signal})).ContentLength;
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  #object(kind: 'ac' | 'cas', name: string): {readonly Bucket: string; readonly Key: string} {
    const {bucket, prefix} = this.#options;
    return {Bucket: bucket, Key: [prefix, kind, name].filter(Boolean).join('/')};
  }

  async #call<T>(signal: AbortSignal, call: (connection: Connection) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    try {
      return await call(await this.#connect());
    } catch (error) {
      signal.throwIfAborted();
      throw this.#explained(error);
    }
  }

  #connect(): Promise<Connection> {
    this.#connection ??= connect(this.#options);
    return this.#connection;
  }

  #explained(error: unknown): unknown {
    if (error instanceof RemoteError || !(error instanceof Error) || isDiskError(error)) return error;
    const status = statusOf(error);
    const answer = status === undefined ? printable(error.message) : `${status} ${printable(error.name)}`;
    if (error.name === 'CredentialsProviderError' || status === 401 || status === 403) {
      return new RemoteError('refused', `${this.name} cannot be used: ${answer}`, {
        hint: 'Check the AWS credentials (environment, profile or role), and what they allow in this bucket.',
        cause: error,
      });
    }
    const isPassing = status === undefined || status === 429 || (status >= 500 && status !== 501);
    return isPassing
      ? new RemoteError('unreachable', `${this.name} cannot be reached: ${answer}`, {cause: error})
      : new RemoteError('refused', `${this.name} refuses: ${answer}`, {cause: error});
  }
}

async function connect({
  endpoint,
  region,
  silenceMs = defaultSilenceMs,
}: S3BackendOptions): Promise<Connection> {
  const sdk = await loadAwsSdk('s3', 'A remote cache in S3');
  const client = new sdk.S3Client({
    ...(endpoint === undefined ? {} : {endpoint, forcePathStyle: true}),
    ...(region === undefined ? (endpoint === undefined ? {} : {region: 'us-east-1'}) : {region}),
    logger: silentLogger,
    // fgimage makes calls again itself.
    maxAttempts: 1,
    // Newer checksums of the SDK are unknown to other servers, and every blob has its SHA-256.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {connectionTimeout: Math.min(10_000, silenceMs), socketTimeout: silenceMs},
  });
  return {sdk, client};
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined;
  const metadata = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

function asStream(body: unknown): Readable {
  return body instanceof Readable ? body : Readable.from([]);
}

function hasHeaders(request: unknown): request is {headers: Record<string, string>} {
  return typeof request === 'object' && request !== null && 'headers' in request;
}
