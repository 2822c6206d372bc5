import {isIP} from 'node:net';
import {fail, ok, type Result} from '../result.ts';

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

/** `host[:port]/name:tag` or `host[:port]/name@sha256:…`; a loopback host is spoken to without TLS. */
export function readReference(text: string): Result<OciReference, string> {
  const slash = text.indexOf('/');
  const host = text.slice(0, Math.max(slash, 0));
  const url = `https://${host}`;
  if (!/^[\w.:[\]-]+$/.test(host) || !URL.canParse(url)) return fail('it names no registry');
  const {hostname} = new URL(url);
  const rest = text.slice(slash + 1);
  const [, name = '', version = ''] = /^([^@:]+)[@:](.+)$/.exec(rest) ?? [];
  if (!namePattern.test(name)) return fail('it names no repository of the registry, with a tag or a digest');
  const isDigest = rest[name.length] === '@';
  if (isDigest ? !/^sha256:[0-9a-f]{64}$/.test(version) : !tagPattern.test(version))
    return fail(isDigest ? 'its digest is not sha256: and 64 digits' : 'its tag is none');
  const root = new URL(isLoopback(hostname) ? `http://${host}` : url);
  return ok({root, host, repository: name, version});
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replaceAll(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
