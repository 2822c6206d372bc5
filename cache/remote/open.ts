import {isIP} from 'node:net';
import {homedir} from 'node:os';
import {isAbsolute, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {registryLogin} from '../../src/clients/oci/login.ts';
import {RemoteError} from '../../src/http/error.ts';
import type {RemoteBackend} from './backend.ts';
import {DirectoryBackend} from './directory.ts';
import {HttpBackend} from './http.ts';
import {OciBackend} from './oci.ts';
import {S3Backend} from './s3.ts';

export interface OpenOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** How long a connection may be silent before it is given up; 30 s where it is left out. */
  readonly silenceMs?: number;
}

const forms = 'A remote cache is a folder, http(s)://host/path, s3://bucket/prefix or oci://host/name.';

/**
 * The back end for a remote cache's URL; docs/reference/remote-cache.md has the forms. Makes no connection. Throws
 * `RemoteError` `usage` for a URL that it cannot make sense of.
 */
export function openBackend(url: string, options: OpenOptions): RemoteBackend {
  if (isAbsolute(url) || url.startsWith('./') || url.startsWith('../'))
    return new DirectoryBackend(resolve(url));
  if (url.startsWith('~/'))
    return new DirectoryBackend(resolve(options.env['HOME'] ?? homedir(), url.slice(2)));
  if (!URL.canParse(url)) throw unknownForm(url);
  const parsed = new URL(url);
  switch (parsed.protocol) {
    case 'file:':
      return openFolder(parsed);
    case 'http:':
    case 'https:':
      return new HttpBackend(parsed, {
        token: options.env['FGIMAGE_CACHE_TOKEN'],
        silenceMs: options.silenceMs,
      });
    case 's3:':
      return openS3(parsed, options);
    case 'oci:':
      return openOci(parsed, options);
    default:
      throw unknownForm(url);
  }
}

function openFolder(url: URL): RemoteBackend {
  if (url.hostname !== '') {
    throw unusable(`The remote cache ${url.href} names a host`, 'Write three slashes: file:///srv/cache');
  }
  return new DirectoryBackend(fileURLToPath(url));
}

function openS3(url: URL, {silenceMs}: OpenOptions): RemoteBackend {
  const query = queryOf(url, ['endpoint', 'region']);
  if (url.hostname === '')
    throw unusable('The remote cache s3:// names no bucket', 'Write s3://bucket/prefix');
  if (url.username !== '' || url.password !== '') {
    throw unusable(
      `The remote cache s3://${url.host} has credentials in its URL`,
      'Give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by a profile.',
    );
  }
  const {endpoint} = query;
  if (endpoint !== undefined && !/^https?:\/\/[^/]/.test(endpoint)) {
    throw unusable(`The endpoint "${endpoint}" is no URL`, 'Write s3://bucket?endpoint=https://host:port');
  }
  const prefix = decodeURIComponent(url.pathname).replaceAll(/^\/+|\/+$/g, '');
  return new S3Backend({bucket: url.host, prefix, endpoint, region: query['region'], silenceMs});
}

function openOci(url: URL, {env, silenceMs}: OpenOptions): RemoteBackend {
  const query = queryOf(url, ['plain']);
  const repository = url.pathname.replaceAll(/^\/+|\/+$/g, '');
  const name = `oci://${url.host}/${repository}`;
  // distribution-spec 1.1, "Pulling manifests": the grammar of <name>.
  if (url.host === '' || !/^[a-z0-9]+(?:(?:[._]|__|-+|\/)[a-z0-9]+)*$/.test(repository)) {
    throw unusable(
      `The remote cache ${name} names no repository of a registry`,
      'Write oci://host/name, the name in lower case, as in oci://registry.example.org/team/cache',
    );
  }
  const plain = query['plain'];
  if (plain !== undefined && plain !== 'true' && plain !== 'false') {
    throw unusable(`"plain=${plain}" is neither true nor false`, 'Write ?plain=true for http without TLS');
  }
  const isPlain = plain === undefined ? isLoopback(url.hostname) : plain === 'true';
  const login =
    url.username === ''
      ? registryLogin(url.host, env)
      : `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  const root = new URL(`${isPlain ? 'http' : 'https'}://${url.host}`);
  return new OciBackend({root, name, repository, login, silenceMs});
}

function queryOf(url: URL, known: readonly string[]): Readonly<Record<string, string | undefined>> {
  for (const name of url.searchParams.keys()) {
    if (known.includes(name)) continue;
    const hint = `There are: ${known.join(', ')}.`;
    throw unusable(`The remote cache ${url.protocol}//${url.host} has an unknown option "${name}"`, hint);
  }
  return Object.fromEntries(url.searchParams);
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replaceAll(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function unknownForm(url: string): RemoteError {
  return unusable(`The remote cache "${withoutLogin(url)}" has no form that fgimage knows`, forms);
}

function withoutLogin(url: string): string {
  return url.replace(/^([^/]*\/\/)?[^/@]*@/, '$1');
}

function unusable(message: string, hint: string): RemoteError {
  return new RemoteError('usage', message, {hint});
}
