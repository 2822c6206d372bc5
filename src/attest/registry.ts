import {createHash} from 'node:crypto';
import {registryLogin} from '../../cache/remote/docker-auth.ts';
import {OciClient} from '../../cache/remote/oci-client.ts';
import {readAll} from '../http/body.ts';
import {discard, type HttpResponse, whileReading} from '../http/client.ts';
import type {OciReference} from './oci-reference.ts';

/** A manifest, or a small blob, by its bytes. */
export interface Stored {
  readonly bytes: Buffer;
  /** `sha256:…` of the bytes. */
  readonly digest: string;
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const manifestTypes = [
  manifestType,
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const largestManifestBytes = 4 << 20;

/** A repository of a registry, as far as signatures need it. Throws `RemoteError`. */
export class Registry {
  readonly #name: string;
  readonly #root: URL;
  readonly #base: string;
  readonly #client: OciClient;
  readonly #signal: AbortSignal;

  constructor(reference: OciReference, {env, signal}: {env: NodeJS.ProcessEnv; signal: AbortSignal}) {
    const {root, host, repository} = reference;
    this.#name = `${host}/${repository}`;
    this.#root = root;
    this.#base = `/v2/${repository}`;
    this.#client = new OciClient({root, name: this.#name, login: registryLogin(host, env)});
    this.#signal = signal;
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

  async putManifest(version: string, bytes: Buffer): Promise<void> {
    const response = await this.#client.send({
      method: 'PUT',
      url: `${this.#base}/manifests/${version}`,
      headers: {'content-type': manifestType},
      body: bytes,
      signal: this.#signal,
    });
    if (response.status !== 201) throw this.#client.refused(response, 'A manifest is not taken');
    discard(response);
  }

  /** Uploads a blob that is not there yet. */
  async putBlob({bytes, digest}: Stored): Promise<void> {
    const signal = this.#signal;
    const there = await this.#client.send({method: 'HEAD', url: `${this.#base}/blobs/${digest}`, signal});
    discard(there);
    if (there.status === 200) return;
    const start = await this.#client.send({method: 'POST', url: `${this.#base}/blobs/uploads/`, signal});
    if (start.status !== 202) throw this.#client.refused(start, 'A blob is not taken');
    const url = this.#uploadUrl(start);
    discard(start);
    url.searchParams.set('digest', digest);
    const headers = {'content-type': 'application/octet-stream'};
    const response = await this.#client.send({method: 'PUT', url, headers, body: bytes, signal});
    if (response.status !== 201) throw this.#client.refused(response, 'A blob is not taken');
    discard(response);
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
    if (response.status !== 200) throw this.#client.refused(response, what);
    return stored(
      await whileReading(this.#name, this.#signal, () => readAll(response.body, largestManifestBytes)),
    );
  }

  #uploadUrl(response: HttpResponse): URL {
    const {location = ''} = response.headers;
    const next = URL.canParse(location, this.#root.href) ? new URL(location, this.#root) : undefined;
    const isSafe =
      next?.protocol === 'https:' || (next?.protocol === 'http:' && this.#root.protocol === 'http:');
    if (next === undefined || !isSafe) throw this.#client.refused(response, 'An upload cannot go on');
    return next;
  }
}

export function stored(bytes: Buffer): Stored {
  return {bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`};
}
