import {createHash} from 'node:crypto';
import {readAll} from '../../http/body.ts';
import {discard, type FileBody, type HttpResponse, whileReading} from '../../http/client.ts';
import {RemoteError} from '../../http/error.ts';
import {printable} from '../../ui/format.ts';
import {OciClient} from './client.ts';
import {registryLogin} from './login.ts';
import type {OciReference} from './reference.ts';

/** A manifest, or a small blob, by its bytes. */
export interface Stored {
  readonly bytes: Buffer;
  /** `sha256:…` of the bytes. */
  readonly digest: string;
}

/** A blob that lies in a file. */
export interface BlobFile {
  readonly digest: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly onProgress?: (sentBytes: number) => void;
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
export const indexType = 'application/vnd.oci.image.index.v1+json';
const manifestTypes = [
  manifestType,
  indexType,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const largestManifestBytes = 4 << 20;
/** A larger blob goes up in pieces: what stands between may limit the size of one request. */
const pieceBytes = 64 << 20;
const mostTagPages = 100;

export interface RegistryOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

/** A repository of a registry (distribution-spec 1.1). Throws `RemoteError`. */
export class Registry {
  readonly #name: string;
  readonly #root: URL;
  readonly #host: string;
  readonly #base: string;
  readonly #client: OciClient;
  readonly #signal: AbortSignal;
  readonly #hasLogin: boolean;

  constructor(reference: Omit<OciReference, 'version'>, {env, signal}: RegistryOptions) {
    const {root, host, repository} = reference;
    const login = registryLogin(host, env);
    this.#name = `${host}/${repository}`;
    this.#root = root;
    this.#host = host;
    this.#base = `/v2/${repository}`;
    this.#client = new OciClient({root, name: this.#name, login});
    this.#signal = signal;
    this.#hasLogin = login !== undefined;
  }

  /** A manifest by tag or digest; undefined where there is none. */
  async manifest(version: string): Promise<Stored | undefined> {
    const url = `${this.#base}/manifests/${version}`;
    return await this.#get(url, {accept: manifestTypes.join(', ')}, 'A manifest cannot be read');
  }

  /** A blob by its digest; undefined where there is none. Whether it has that digest is for the caller to see. */
  async blob(digest: string): Promise<Stored | undefined> {
    return await this.#get(`${this.#base}/blobs/${digest}`, {}, 'A blob cannot be read');
  }

  async hasBlob(digest: string): Promise<boolean> {
    const response = await this.#send('HEAD', `${this.#base}/blobs/${digest}`);
    discard(response);
    if (response.status === 404) return false;
    if (response.status !== 200) throw await this.#refusal(response, 'A blob cannot be asked for');
    return true;
  }

  /** All tags of the repository; none where there is no such repository yet. */
  async tags(): Promise<readonly string[]> {
    const tags: string[] = [];
    let url: URL | string | undefined = `${this.#base}/tags/list`;
    for (let pages = 0; url !== undefined && pages < mostTagPages; pages += 1) {
      const response: HttpResponse = await this.#send('GET', url);
      if (response.status === 404) {
        discard(response);
        return tags;
      }
      if (response.status !== 200) throw await this.#refusal(response, 'Tags cannot be listed');
      tags.push(...tagsIn(await this.#body(response)));
      url = this.#nextPage(response);
    }
    return tags;
  }

  async putManifest(version: string, bytes: Buffer, type = manifestType): Promise<void> {
    const response = await this.#client.send({
      method: 'PUT',
      url: `${this.#base}/manifests/${version}`,
      headers: {'content-type': type},
      body: bytes,
      signal: this.#signal,
    });
    if (response.status !== 201) throw await this.#refusal(response, 'A manifest is not taken');
    discard(response);
  }

  /** Uploads a blob that is not there yet. */
  async putBlob({bytes, digest}: Stored): Promise<void> {
    if (await this.hasBlob(digest)) return;
    await this.#finish(await this.#start(), digest, bytes);
  }

  /** Uploads a blob, whether it is there or not. The registry compares it with its digest. */
  async putBlobFile({digest, path, sizeBytes, onProgress}: BlobFile): Promise<void> {
    const part = (offset: number, length: number): FileBody => ({
      path,
      offset,
      sizeBytes: length,
      ...(onProgress === undefined ? {} : {onProgress: (sent) => onProgress(offset + sent)}),
    });
    const start = await this.#start();
    if (sizeBytes <= pieceBytes) return await this.#finish(start, digest, part(0, sizeBytes));
    let url = start;
    for (let offset = 0; offset < sizeBytes; offset += pieceBytes) {
      const length = Math.min(pieceBytes, sizeBytes - offset);
      const response = await this.#client.send({
        method: 'PATCH',
        url,
        headers: {
          'content-type': 'application/octet-stream',
          'content-range': `${offset}-${offset + length - 1}`,
        },
        body: part(offset, length),
        signal: this.#signal,
      });
      if (response.status !== 202) throw await this.#refusal(response, 'A part of a blob is not taken');
      url = this.#uploadUrl(response);
      discard(response);
    }
    await this.#finish(url, digest, Buffer.alloc(0));
  }

  /** Deletes a manifest by its digest; one that is gone is fine. */
  async deleteManifest(digest: string): Promise<void> {
    const response = await this.#send('DELETE', `${this.#base}/manifests/${digest}`);
    if (![200, 202, 404].includes(response.status))
      throw await this.#refusal(response, 'A manifest is not deleted');
    discard(response);
  }

  async #send(method: 'GET' | 'HEAD' | 'POST' | 'DELETE', url: URL | string): Promise<HttpResponse> {
    return await this.#client.send({method, url, signal: this.#signal});
  }

  async #get(
    url: string,
    headers: Readonly<Record<string, string>>,
    what: string,
  ): Promise<Stored | undefined> {
    const response = await this.#client.send({method: 'GET', url, headers, signal: this.#signal});
    if (response.status === 404) {
      discard(response);
      return undefined;
    }
    if (response.status !== 200) throw await this.#refusal(response, what);
    return stored(await this.#body(response));
  }

  async #body({body}: HttpResponse): Promise<Buffer> {
    return await whileReading(this.#name, this.#signal, () => readAll(body, largestManifestBytes));
  }

  async #start(): Promise<URL> {
    const response = await this.#send('POST', `${this.#base}/blobs/uploads/`);
    if (response.status !== 202) throw await this.#refusal(response, 'A blob is not taken');
    const url = this.#uploadUrl(response);
    discard(response);
    return url;
  }

  async #finish(to: URL, digest: string, body: Buffer | FileBody): Promise<void> {
    const url = new URL(to);
    url.searchParams.set('digest', digest);
    const headers = {'content-type': 'application/octet-stream'};
    const response = await this.#client.send({method: 'PUT', url, headers, body, signal: this.#signal});
    if (response.status !== 201) throw await this.#refusal(response, 'A blob is not taken');
    discard(response);
  }

  #uploadUrl(response: HttpResponse): URL {
    const {location = ''} = response.headers;
    const next = URL.canParse(location, this.#root.href) ? new URL(location, this.#root) : undefined;
    const isSafe =
      next?.protocol === 'https:' || (next?.protocol === 'http:' && this.#root.protocol === 'http:');
    if (next === undefined || !isSafe) throw this.#client.refused(response, 'An upload cannot go on');
    return next;
  }

  /** RFC 8288; only pages of the registry itself are asked for. */
  #nextPage({headers: {link}}: HttpResponse): URL | undefined {
    const next = typeof link === 'string' ? /<([^>]+)>\s*;\s*rel="?next"?/.exec(link)?.[1] : undefined;
    if (next === undefined || !URL.canParse(next, this.#root.href)) return undefined;
    const url = new URL(next, this.#root);
    return url.origin === this.#root.origin ? url : undefined;
  }

  /** What a registry does not give or take, with its own words (distribution-spec, "Error Codes"). */
  async #refusal(response: HttpResponse, what: string): Promise<RemoteError> {
    const {status} = response;
    const body = await readAll(response.body, 1 << 16).catch(() => Buffer.alloc(0));
    const words = errorWords(body) ?? printable(response.body.statusMessage ?? '');
    const message = `${what}: ${this.#name} answers ${`${status} ${words}`.trim()}`;
    const kind = status === 401 && !this.#hasLogin ? 'usage' : 'refused';
    return new RemoteError(kind, message, {hint: this.#hint(status)});
  }

  #hint(status: number): string | undefined {
    const logIn = `docker login ${this.#host}`;
    switch (status) {
      case 401:
        return this.#hasLogin
          ? `The login in $REGISTRY_AUTH_FILE or ~/.docker/config.json does not count there: run "${logIn}" again`
          : `Run "${logIn}" or the same with podman; fgimage reads what they write`;
      case 403:
        return `Ask for the right to push to ${this.#name}, or name another repository`;
      case 404:
        return `Make the repository ${this.#name} first: this registry makes none by itself`;
      case 405:
        return `${this.#host} does not allow it; who runs it can (distribution: storage.delete.enabled)`;
      case 413:
        return `What stands before ${this.#host} takes no request of that size`;
      default:
        return undefined;
    }
  }
}

export function stored(bytes: Buffer): Stored {
  return {bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`};
}

function tagsIn(bytes: Buffer): readonly string[] {
  const tags = member(bytes, 'tags');
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
}

function errorWords(bytes: Buffer): string | undefined {
  const errors = member(bytes, 'errors');
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  if (typeof first !== 'object' || first === null) return undefined;
  const {code, message} = first as Record<string, unknown>;
  const words = [code, message].filter((word) => typeof word === 'string').join(': ');
  return words === '' ? undefined : printable(words).slice(0, 300);
}

function member(bytes: Buffer, name: string): unknown {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  } catch {
    return undefined;
  }
}
