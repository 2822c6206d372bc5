import {createHash} from 'node:crypto';
import {OciClient, type OciClientOptions} from '../../src/clients/oci/client.ts';
import {readAll} from '../../src/http/body.ts';
import {discard, type FileBody, type HttpResponse, whileReading} from '../../src/http/client.ts';
import {RemoteError} from '../../src/http/error.ts';
import {type Blob, largestRecordBytes, type PutRecordOptions, type RemoteBackend} from './backend.ts';
import {saveBlob} from './transfer.ts';

export interface OciBackendOptions extends OciClientOptions {
  /** `team/fgimage-cache`: the repository in the registry. */
  readonly repository: string;
  /** Larger blobs go up in chunks of this size. */
  readonly chunkBytes?: number | undefined;
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const recordType = 'application/vnd.fgimage.record.v1+json';
const blobType = 'application/vnd.fgimage.blob.v1';
const defaultChunkBytes = 256 * 1024 * 1024;

/**
 * A remote cache in a registry (OCI distribution-spec 1.1): blobs by their digest; a record is the config of a
 * manifest with the tag `ac-<key>`, whose layers are the record's blobs, so that the registry's own clean-up keeps
 * them.
 */
export class OciBackend implements RemoteBackend {
  readonly name: string;
  readonly dropsUnnamed = true;
  readonly #client: OciClient;
  readonly #root: URL;
  readonly #base: string;
  readonly #chunkBytes: number;

  constructor(options: OciBackendOptions) {
    this.name = options.name;
    this.#client = new OciClient(options);
    this.#root = options.root;
    this.#base = `/v2/${options.repository}`;
    this.#chunkBytes = options.chunkBytes ?? defaultChunkBytes;
  }

  async getRecord(key: string, signal: AbortSignal): Promise<Buffer | undefined> {
    const headers = {accept: manifestType};
    const url = this.#manifestUrl(key);
    const response = await this.#client.send({method: 'GET', url, headers, signal});
    if (isAbsent(response)) return undefined;
    if (response.status !== 200) throw this.#client.refused(response, 'A record cannot be read');
    const manifest = await whileReading(this.name, signal, () => readAll(response.body, largestRecordBytes));
    const config = configOf(manifest);
    if (config === undefined || config.sizeBytes > largestRecordBytes) return undefined;
    return await this.#getSmall(config, signal);
  }

  async putRecord(key: string, record: Buffer, options: PutRecordOptions): Promise<void> {
    const {blobs, replace, signal} = options;
    const url = this.#manifestUrl(key);
    if (replace !== true) {
      // Tags can be moved; a registry has no way to create one only.
      const there = await this.#client.send({method: 'HEAD', url, headers: {accept: manifestType}, signal});
      discard(there);
      if (there.status === 200) return;
    }
    const config = {sha256: createHash('sha256').update(record).digest('hex'), sizeBytes: record.length};
    if (!(await this.hasBlob(config, signal))) await this.#putWhole(config, record, signal);
    const manifest = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: descriptor(config, recordType),
      layers: blobs.map((blob) => descriptor(blob, blobType)),
    };
    const response = await this.#client.send({
      method: 'PUT',
      url,
      headers: {'content-type': manifestType},
      body: Buffer.from(JSON.stringify(manifest)),
      signal,
    });
    if (response.status !== 201) throw this.#client.refused(response, 'A record is not taken');
    discard(response);
  }

  async hasBlob(blob: Blob, signal: AbortSignal): Promise<boolean> {
    const response = await this.#client.send({method: 'HEAD', url: this.#blobUrl(blob), signal});
    discard(response);
    if (isAbsent(response)) return false;
    if (response.status !== 200) throw this.#client.refused(response, 'A blob cannot be asked for');
    return true;
  }

  async getBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    const response = await this.#openBlob(blob, signal);
    await whileReading(this.name, signal, () => saveBlob(response.body, blob, {path, signal}));
  }

  async putBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void> {
    if (blob.sizeBytes <= this.#chunkBytes) {
      await this.#putWhole(blob, {path, sizeBytes: blob.sizeBytes}, signal);
      return;
    }
    let location = await this.#startUpload(signal);
    for (let offset = 0; offset < blob.sizeBytes; offset += this.#chunkBytes) {
      const sizeBytes = Math.min(this.#chunkBytes, blob.sizeBytes - offset);
      const response = await this.#client.send({
        method: 'PATCH',
        url: location,
        headers: {
          'content-type': 'application/octet-stream',
          'content-range': `${offset}-${offset + sizeBytes - 1}`,
        },
        body: {path, offset, sizeBytes},
        signal,
      });
      if (response.status !== 202) throw this.#client.refused(response, 'A part of a blob is not taken');
      location = this.#location(response, location);
      discard(response);
    }
    await this.#finishUpload(location, blob, {body: Buffer.alloc(0), signal});
  }

  async #putWhole(blob: Blob, body: Buffer | FileBody, signal: AbortSignal): Promise<void> {
    await this.#finishUpload(await this.#startUpload(signal), blob, {body, signal});
  }

  async #startUpload(signal: AbortSignal): Promise<URL> {
    const url = `${this.#base}/blobs/uploads/`;
    const response = await this.#client.send({method: 'POST', url, signal});
    if (response.status !== 202) throw this.#client.refused(response, 'A blob is not taken');
    const location = this.#location(response, new URL(url, this.#root));
    discard(response);
    return location;
  }

  async #finishUpload(
    location: URL,
    blob: Blob,
    {body, signal}: {readonly body: Buffer | FileBody; readonly signal: AbortSignal},
  ): Promise<void> {
    const url = new URL(location);
    url.searchParams.set('digest', `sha256:${blob.sha256}`);
    const headers = {'content-type': 'application/octet-stream'};
    const response = await this.#client.send({method: 'PUT', url, headers, body, signal});
    if (response.status !== 201) throw this.#client.refused(response, 'A blob is not taken');
    discard(response);
  }

  async #openBlob(blob: Blob, signal: AbortSignal): Promise<HttpResponse> {
    const response = await this.#client.send({method: 'GET', url: this.#blobUrl(blob), signal});
    if (isAbsent(response)) {
      throw new RemoteError('missing', `The blob ${blob.sha256.slice(0, 12)} is not there any more`);
    }
    if (response.status !== 200) throw this.#client.refused(response, 'A blob cannot be read');
    return response;
  }

  /** Undefined when the bytes are gone or are others: the record is as good as none. */
  async #getSmall(blob: Blob, signal: AbortSignal): Promise<Buffer | undefined> {
    const url = this.#blobUrl(blob);
    const response = await this.#client.send({method: 'GET', url, signal});
    if (isAbsent(response)) return undefined;
    if (response.status !== 200) throw this.#client.refused(response, 'A record cannot be read');
    return await whileReading(this.name, signal, () => readAll(response.body, largestRecordBytes));
  }

  /** Where an upload goes on: relative or absolute, with a query that must stay. */
  #location(response: HttpResponse, from: URL): URL {
    const {location} = response.headers;
    const next =
      location !== undefined && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    const isSafe = next?.protocol === 'https:' || (next?.protocol === 'http:' && from.protocol === 'http:');
    if (next === undefined || !isSafe) throw this.#client.refused(response, 'An upload cannot go on');
    return next;
  }

  #manifestUrl(key: string): string {
    return `${this.#base}/manifests/ac-${key}`;
  }

  #blobUrl(blob: Blob): string {
    return `${this.#base}/blobs/sha256:${blob.sha256}`;
  }
}

function descriptor(
  {sha256, sizeBytes}: Blob,
  mediaType: string,
): {readonly mediaType: string; readonly digest: string; readonly size: number} {
  return {mediaType, digest: `sha256:${sha256}`, size: sizeBytes};
}

/** The config that a manifest names, when the manifest is one of fgimage's. */
function configOf(manifest: Buffer): Blob | undefined {
  try {
    const parsed = JSON.parse(manifest.toString('utf8')) as {
      readonly config?: {readonly mediaType?: unknown; readonly digest?: unknown; readonly size?: unknown};
    };
    const {mediaType, digest, size} = parsed.config ?? {};
    const sha256 = typeof digest === 'string' ? /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1] : undefined;
    if (mediaType !== recordType || sha256 === undefined || typeof size !== 'number') return undefined;
    return {sha256, sizeBytes: size};
  } catch {
    return undefined;
  }
}

/** 404; the answer is discarded then. */
function isAbsent(response: HttpResponse): boolean {
  if (response.status !== 404) return false;
  discard(response);
  return true;
}
