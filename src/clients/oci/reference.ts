import {isIP} from 'node:net';
import {fail, ok, type Result} from '../../result.ts';

/** An artifact in a registry: distribution-spec 1.1, "Pulling manifests". */
export interface OciReference {
  /** The registry's root, e.g. `https://registry.example.org`. */
  readonly root: URL;
  readonly host: string;
  readonly repository: string;
  /** `sha256:…`, or a tag. */
  readonly version: string;
}

const namePattern = /^[a-z0-9]+(?:(?:[._]|__|-+|\/)[a-z0-9]+)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;

export type OciRepository = Omit<OciReference, 'version'>;

/** `host[:port]/name:tag` or `host[:port]/name@sha256:…`; a loopback host is spoken to without TLS. */
export function readReference(text: string): Result<OciReference, string> {
  const {host, rest} = hostOf(text);
  const root = rootOf(host);
  if (root === undefined) return fail('it names no registry');
  const [, name = '', version = ''] = /^([^@:]+)[@:](.+)$/.exec(rest) ?? [];
  if (!namePattern.test(name)) return fail('it names no repository of the registry, with a tag or a digest');
  const isDigest = rest[name.length] === '@';
  if (isDigest ? !/^sha256:[0-9a-f]{64}$/.test(version) : !isTag(version))
    return fail(isDigest ? 'its digest is not sha256: and 64 digits' : 'its tag is none');
  return ok({root, host, repository: name, version});
}

/** `host[:port]/name`; without TLS where the host is this machine, or `plain` says so. */
export function readRepository(text: string, {plain = false} = {}): Result<OciRepository, string> {
  const {host, rest} = hostOf(text);
  const root = rootOf(host, plain);
  if (root === undefined) return fail('it names no registry');
  if (!namePattern.test(rest)) return fail('it names no repository of the registry, without a tag');
  return ok({root, host, repository: rest});
}

export function isTag(text: string): boolean {
  return tagPattern.test(text);
}

function hostOf(text: string): {readonly host: string; readonly rest: string} {
  const slash = text.indexOf('/');
  return {host: text.slice(0, Math.max(slash, 0)), rest: text.slice(slash + 1)};
}

function rootOf(host: string, plain = false): URL | undefined {
  const url = `https://${host}`;
  if (!/^[\w.:[\]-]+$/.test(host) || !URL.canParse(url)) return undefined;
  return new URL(plain || isLoopback(new URL(url).hostname) ? `http://${host}` : url);
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replaceAll(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
