import {constants, createSign, type KeyObject, publicEncrypt, type X509Certificate} from 'node:crypto';
import type {Bundle, BundleSecret} from './bundle.ts';

/** What a bundle is of: the disk or root file system, or what starts it where the disk has no loader. */
export type BundleKind = 'machine' | 'kernel' | 'ramdisk';

export interface ManifestRequest {
  readonly bundle: Bundle;
  readonly secret: BundleSecret;
  readonly kind: BundleKind;
  /** In the words of Eucalyptus: `x86_64`. */
  readonly architecture: string;
  /** What the parts' names begin with. */
  readonly prefix: string;
  /** Number of the account; the site refuses the manifest of another one. */
  readonly account: string;
  readonly cloudCertificate: X509Certificate;
  /** Whoever has its key can unbundle the image again; absent: only the site. */
  readonly userCertificate?: X509Certificate;
  /** Signs; absent: the manifest says that it is not signed. */
  readonly privateKey?: KeyObject;
}

const version = '2007-10-10';
const cipher = 'AES-128-CBC';

/**
 * The manifest of a bundle, as euca2ools writes it (bundle/manifest.py). The order of the elements matters: `type` has to
 * follow `user`. What is signed is the text of two of them, so there is no white space between any.
 */
export function bundleManifest(request: ManifestRequest): string {
  const signed = machineConfiguration(request) + image(request);
  const signature =
    request.privateKey === undefined
      ? // An empty element makes the service fail.
        'UNSIGNED'
      : createSign('RSA-SHA1').update(signed).sign(request.privateKey, 'hex');
  const bundler = element(
    'bundler',
    element('name', 'fgimage') + element('version', '1') + element('release', '0'),
  );
  const content = element('version', version) + bundler + signed + element('signature', signature);
  return `<?xml version='1.0' encoding='ASCII'?>\n${element('manifest', content)}`;
}

/** `true` in the place of an id says that this is one. */
function machineConfiguration({kind, architecture}: ManifestRequest): string {
  return element(
    'machine_configuration',
    element('architecture', architecture) +
      (kind === 'kernel' ? element('kernel_id', 'true') : '') +
      (kind === 'ramdisk' ? element('ramdisk_id', 'true') : ''),
  );
}

function image(request: ManifestRequest): string {
  const {bundle, secret, cloudCertificate, userCertificate} = request;
  const key = secret.key.toString('hex');
  const iv = secret.iv.toString('hex');
  const forUser = (text: string): string =>
    userCertificate === undefined ? '' : encryptedFor(userCertificate, text);
  return element(
    'image',
    element('name', request.prefix) +
      element('user', request.account) +
      element('type', request.kind) +
      element('digest', bundle.sha1, ' algorithm="SHA1"') +
      element('size', String(bundle.sizeBytes)) +
      element('bundled_size', String(bundle.bundledSizeBytes)) +
      element('ec2_encrypted_key', encryptedFor(cloudCertificate, key), ` algorithm="${cipher}"`) +
      element('user_encrypted_key', forUser(key), ` algorithm="${cipher}"`) +
      element('ec2_encrypted_iv', encryptedFor(cloudCertificate, iv)) +
      element('user_encrypted_iv', forUser(iv)) +
      partList(bundle),
  );
}

function partList({parts}: Bundle): string {
  const list = parts.map(({index, fileName, sha1}) =>
    element(
      'part',
      element('filename', fileName) + element('digest', sha1, ' algorithm="SHA1"'),
      ` index="${index}"`,
    ),
  );
  return element('parts', list.join(''), ` count="${parts.length}"`);
}

/** The hexadecimal text of a key is what is encrypted, and the outcome is hexadecimal too. */
function encryptedFor(certificate: X509Certificate, text: string): string {
  return publicEncrypt(
    {key: certificate.publicKey, padding: constants.RSA_PKCS1_PADDING},
    Buffer.from(text, 'ascii'),
  ).toString('hex');
}

/** As lxml writes it: an element without content has no end tag. */
function element(name: string, content: string, attributes = ''): string {
  return content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`;
}
