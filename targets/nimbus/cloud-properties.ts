import {readFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {join, resolve} from 'node:path';
import {FgError, isErrno} from '../../src/errors.ts';
import type {RegistrarRequest} from '../registrar.ts';
import type {RegisterOptions} from './schema.ts';

/** Where images go, and who says so. */
export interface Repository {
  readonly endpoint: URL;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
  /** What keys begin with. */
  readonly baseKey: string;
  /** Whose images: a canonical id, or `common`. */
  readonly owner: string;
  /** Whether certificates are not verified, as the file says. */
  readonly insecure: boolean;
}

type Properties = ReadonlyMap<string, {readonly value: string; readonly at: string}>;

const usualBucket = 'Repo';
const usualBaseKey = 'VMS';
const usualPath = '~/.nimbus/cloud.properties';

/**
 * Finds the repository: options first, then the environment for the two keys, then the file that cloud-client has (its
 * conf/cloud.properties; the names are those of its Props.java).
 */
export function repositoryOf(
  options: RegisterOptions,
  {env, projectDir}: Pick<RegistrarRequest, 'env' | 'projectDir'>,
): Repository {
  const home = env['HOME'] ?? homedir();
  const named = options.cloud_properties ?? env['NIMBUS_CLOUD_PROPERTIES'];
  const label = named ?? usualPath;
  const path = label.startsWith('~/') ? join(home, label.slice(1)) : resolve(projectDir, label);
  const properties = readFile(path, label, named === undefined);
  const from = (name: string): string | undefined => {
    const value = properties.get(name)?.value;
    // So cloud.properties comes from a site, before its user has written the key into it.
    return value === undefined || /^_*$/.test(value) ? undefined : value;
  };
  const found = {
    'vws.repository': options.endpoint ?? from('vws.repository'),
    'vws.repository.s3id': nonEmpty(env['NIMBUS_S3_ID']) ?? from('vws.repository.s3id'),
    'vws.repository.s3key': nonEmpty(env['NIMBUS_S3_KEY']) ?? from('vws.repository.s3key'),
    'vws.repository.canonicalid':
      options.common === true ? 'common' : (options.canonical_id ?? from('vws.repository.canonicalid')),
  };
  const missing = Object.entries(found).flatMap(([name, value]) => (value === undefined ? [name] : []));
  if (missing.length > 0) {
    throw new FgError('CREDENTIALS_MISSING', `Nimbus: ${missing.join(', ')} not found in ${label}`, {
      hint: 'Name the cloud.properties of your site with `register.cloud_properties`.',
    });
  }
  const type = from('vws.repository.type') ?? 'cumulus';
  if (type !== 'cumulus') {
    throw new FgError('USAGE', `${at(properties, 'vws.repository.type')}: a repository of type ${type}`, {
      hint: 'fgimage speaks with Cumulus only: ask the site for its address.',
    });
  }
  return {
    endpoint: endpointOf(found['vws.repository'] ?? '', properties),
    accessKeyId: found['vws.repository.s3id'] ?? '',
    secretAccessKey: found['vws.repository.s3key'] ?? '',
    bucket: options.bucket ?? from('vws.repository.s3bucket') ?? usualBucket,
    baseKey: options.base_key ?? from('vws.repository.s3basekey') ?? usualBaseKey,
    owner: found['vws.repository.canonicalid'] ?? '',
    // cloud-client accepts any certificate where the file says nothing: we do where it says so.
    insecure: from('vws.repository.s3acceptallcerts') === 'true',
  };
}

/** `host:port` in the file, a URL in the options. */
function endpointOf(text: string, properties: Properties): URL {
  const isSecure = properties.get('vws.repository.s3https')?.value === 'true';
  const url = text.includes('://') ? text : `${isSecure ? 'https' : 'http'}://${text}`;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || parsed.username !== '' || parsed.pathname !== '/') {
    throw new FgError('CREDENTIALS_MISSING', `${at(properties, 'vws.repository')}: not host:port`, {
      hint: 'Write the name and the port of the site’s Cumulus: cumulus.example.org:8888',
    });
  }
  return parsed;
}

function at(properties: Properties, name: string): string {
  return `${properties.get(name)?.at ?? 'register.endpoint'}: ${name}`;
}

function readFile(path: string, label: string, isOptional: boolean): Properties {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const isMissing = isErrno(cause, 'ENOENT');
    if (isMissing && isOptional) return new Map();
    throw new FgError(
      'CREDENTIALS_MISSING',
      `${label}: ${isMissing ? 'the file does not exist' : 'the file cannot be read'}`,
      {
        cause,
        hint: 'Name the cloud.properties of your site with `register.cloud_properties`.',
      },
    );
  }
  return readProperties(text, label);
}

/**
 * Java's format for properties (java.util.Properties, `load`): keys end with `=`, `:` or white space, a backslash at the
 * end continues a line, and before other characters escapes them. `label`: what the file is called in messages.
 */
export function readProperties(text: string, label: string): Properties {
  const properties = new Map<string, {readonly value: string; readonly at: string}>();
  const lines = text.split(/\r\n|\r|\n/);
  for (let index = 0; index < lines.length; index += 1) {
    const place = `${label}:${index + 1}`;
    let line = (lines[index] ?? '').trimStart();
    if (line === '' || /^[#!]/.test(line)) continue;
    while (/(^|[^\\])(\\\\)*\\$/.test(line) && index + 1 < lines.length) {
      index += 1;
      line = line.slice(0, -1) + (lines[index] ?? '').trimStart();
    }
    const found = /^(?<key>(?:\\.|[^\\=:\s])*)\s*[=:]?\s*(?<value>.*)$/s.exec(line)?.groups;
    const key = unescaped(found?.['key'] ?? '', place);
    properties.set(key, {value: unescaped(found?.['value'] ?? '', place).trimEnd(), at: place});
  }
  return properties;
}

const escapes: Readonly<Record<string, string>> = {t: '\t', n: '\n', r: '\r', f: '\f'};

function unescaped(text: string, place: string): string {
  return text.replaceAll(/\\(u[0-9a-fA-F]{4}|.|$)/gs, (_all, code: string) => {
    if (code === 'u') {
      throw new FgError('CREDENTIALS_MISSING', `${place}: \\u without four hexadecimal digits`, {
        hint: 'Write a backslash as \\\\.',
      });
    }
    return code.length === 5
      ? String.fromCharCode(Number.parseInt(code.slice(1), 16))
      : (escapes[code] ?? code);
  });
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
