import {createPrivateKey, type KeyObject, X509Certificate} from 'node:crypto';
import {FgError} from '../../src/errors.ts';
import type {RegistrarRequest} from '../registrar.ts';
import type {RegisterOptions} from './schema.ts';
import {type Found, findSettings, type Name, names, readSetting, withHome} from './settings.ts';

/** What a site of Eucalyptus is asked with. */
export interface SiteAccess {
  readonly ec2Url: URL;
  readonly s3Url: URL;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Number of the account. */
  readonly account: string;
  readonly cloudCertificate: X509Certificate;
  readonly userCertificate?: X509Certificate;
  readonly privateKey?: KeyObject;
}

/** Finds the credentials, and opens the files that they name. */
export function siteAccess(
  options: RegisterOptions,
  {env, projectDir, warn}: Pick<RegistrarRequest, 'env' | 'projectDir' | 'warn'>,
): SiteAccess {
  const {found, home, from} = findSettings(options, {env, projectDir});
  return opened(found, {home, from, warn});
}

interface OpenContext {
  readonly home: string;
  readonly from: string;
  readonly warn: RegistrarRequest['warn'];
}

function opened(found: Found, {home, from, warn}: OpenContext): SiteAccess {
  const missing = (
    ['ec2Url', 's3Url', 'accessKeyId', 'secretAccessKey', 'account', 'cloudCertificate'] as const
  )
    .filter((name) => found[name] === undefined)
    .map((name) => names[name][0]);
  if (missing.length > 0) {
    throw new FgError('CREDENTIALS_MISSING', `Eucalyptus: ${missing.join(', ')} not found in ${from}`, {
      hint: 'Name your eucarc with `register.eucarc`, or source it before.',
    });
  }
  const {userCertificate, privateKey} = found;
  if (privateKey === undefined) {
    warn(
      'Eucalyptus: the bundle is not signed, since there is no EC2_PRIVATE_KEY',
      'Name your key in eucarc if the site wants signatures.',
    );
  }
  return {
    ec2Url: url(found, 'ec2Url'),
    s3Url: url(found, 's3Url'),
    accessKeyId: value(found, 'accessKeyId'),
    secretAccessKey: value(found, 'secretAccessKey'),
    account: account(found),
    cloudCertificate: certificate(found, 'cloudCertificate', home),
    ...(userCertificate === undefined ? {} : {userCertificate: certificate(found, 'userCertificate', home)}),
    ...(privateKey === undefined ? {} : {privateKey: key(found, home)}),
  };
}

function value(found: Found, name: Name): string {
  return found[name]?.value ?? '';
}

function url(found: Found, name: Name): URL {
  const text = value(found, name);
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw unusable(found, name, 'is no http or https URL', 'Write it as the site gives it.');
  }
  // Secrets in it would end up in the catalog.
  if (parsed.username !== '' || parsed.password !== '') {
    throw unusable(
      found,
      name,
      'holds a user or a password',
      'Leave them out: the access keys say who you are.',
    );
  }
  return parsed;
}

/** Older files write it in groups of four digits. */
function account(found: Found): string {
  const number = value(found, 'account').replaceAll('-', '');
  if (!/^\d{12}$/.test(number)) {
    throw unusable(
      found,
      'account',
      'is no account number of 12 digits',
      'Copy EC2_USER_ID from your eucarc.',
    );
  }
  return number;
}

function certificate(found: Found, name: Name, home: string): X509Certificate {
  try {
    return new X509Certificate(readNamed(found, name, home));
  } catch (error) {
    if (error instanceof FgError) throw error;
    throw unusable(
      found,
      name,
      'names a file that is no X.509 certificate',
      'Download your credentials again.',
    );
  }
}

function key(found: Found, home: string): KeyObject {
  let read: KeyObject;
  try {
    read = createPrivateKey(readNamed(found, 'privateKey', home));
  } catch (error) {
    if (error instanceof FgError) throw error;
    throw unusable(
      found,
      'privateKey',
      'names a file that is no private key',
      'Use a PEM file without passphrase.',
    );
  }
  if (read.asymmetricKeyType !== 'rsa') {
    throw unusable(
      found,
      'privateKey',
      'names a key that is not of RSA',
      'Use the key that the site gave you.',
    );
  }
  return read;
}

function readNamed(found: Found, name: Name, home: string): string {
  const {value: path = '', at = ''} = found[name] ?? {};
  return readSetting(withHome(path, home), `${names[name][0]} (${at})`);
}

function unusable(found: Found, name: Name, what: string, hint: string): FgError {
  const at = found[name]?.at ?? '';
  const variable = names[name][0];
  return new FgError('CREDENTIALS_MISSING', `${at === variable ? at : `${at}: ${variable}`} ${what}`, {hint});
}
