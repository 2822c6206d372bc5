import {
  constants,
  createDecipheriv,
  createHash,
  createVerify,
  type KeyObject,
  privateDecrypt,
  X509Certificate,
} from 'node:crypto';
import {gunzipSync} from 'node:zlib';
import {XMLParser} from 'fast-xml-parser';

export interface CheckedBundle {
  readonly kind: 'machine' | 'kernel' | 'ramdisk';
  readonly architecture: string;
  readonly image: Buffer;
}

export interface BundleCheck {
  readonly manifest: string;
  readonly account: string;
  readonly cloudKey: KeyObject;
  readonly userCertificate: string;
  /** A part by its name, as the site may read it. */
  readonly part: (fileName: string) => Buffer | undefined;
}

type Node = Readonly<Record<string, unknown>>;

const imageOrder =
  'name,user,type,digest,size,bundled_size,ec2_encrypted_key,user_encrypted_key,ec2_encrypted_iv,user_encrypted_iv,parts';

/**
 * Reads a manifest as a site of Eucalyptus does when the image is registered and started, and unbundles it. Throws with
 * what is wrong, in the site's words where it has some.
 */
export function checkBundle({
  manifest,
  account,
  cloudKey,
  userCertificate,
  part,
}: BundleCheck): CheckedBundle {
  const xml = new XMLParser({ignoreAttributes: false, parseTagValue: false, attributeNamePrefix: '@'});
  const root = child(xml.parse(manifest) as Node, 'manifest');
  want(
    Object.keys(root).join() === 'version,bundler,machine_configuration,image,signature',
    'elements of the manifest',
  );
  want(text(root, 'version') === '2007-10-10', 'version');
  const machine = child(root, 'machine_configuration');
  const image = child(root, 'image');
  want(Object.keys(image).join() === imageOrder, `elements of the image: ${Object.keys(image).join()}`);
  want(text(image, 'user') === account, 'AuthFailure: Manifest is not accessible');
  const kind = text(image, 'type');
  want(kind === 'machine' || kind === 'kernel' || kind === 'ramdisk', `type ${kind}`);
  want((machine['kernel_id'] === 'true') === (kind === 'kernel'), 'kernel_id');
  want((machine['ramdisk_id'] === 'true') === (kind === 'ramdisk'), 'ramdisk_id');
  checkSignature(manifest, text(root, 'signature'), userCertificate);
  const key = decrypted(text(image, 'ec2_encrypted_key'), cloudKey);
  const iv = decrypted(text(image, 'ec2_encrypted_iv'), cloudKey);
  const bundled = Buffer.concat(partsOf(child(image, 'parts'), part));
  want(bundled.length === Number(text(image, 'bundled_size')), 'bundled_size');
  const decipher = createDecipheriv('aes-128-cbc', Buffer.from(key, 'hex'), Buffer.from(iv, 'hex'));
  const tar = gunzipSync(Buffer.concat([decipher.update(bundled), decipher.final()]));
  want(sha1(tar) === text(child(image, 'digest'), '#text'), 'digest');
  const size = Number.parseInt(tar.toString('ascii', 124, 135), 8);
  want(size === Number(text(image, 'size')), 'size');
  return {kind, architecture: text(machine, 'architecture'), image: tar.subarray(512, 512 + size)};
}

function partsOf(parts: Node, part: BundleCheck['part']): readonly Buffer[] {
  const list = [parts['part']].flat() as readonly Node[];
  want(list.length === Number(parts['@count']), 'count of parts');
  return list.map((one, index) => {
    const name = text(one, 'filename');
    want(one['@index'] === String(index), `index of part ${index}`);
    want(name.endsWith(`.part.${String(index).padStart(2, '0')}`), `name of part ${index}`);
    const bytes = part(name);
    if (bytes === undefined) throw new Error(`part ${name} cannot be read`);
    want(bytes.length === 10_485_760 || index === list.length - 1, `size of part ${index}`);
    want(sha1(bytes) === text(child(one, 'digest'), '#text'), `digest of part ${index}`);
    return bytes;
  });
}

/** The text of two elements is signed; an empty signature makes a site fail. */
function checkSignature(manifest: string, signature: string, userCertificate: string): void {
  want(signature !== '', 'InternalError: signature');
  if (signature === 'UNSIGNED') return;
  const signed = /<machine_configuration>.*<\/image>/s.exec(manifest)?.[0] ?? '';
  const {publicKey} = new X509Certificate(userCertificate);
  want(createVerify('RSA-SHA1').update(signed).verify(publicKey, signature, 'hex'), 'signature');
}

/** Node does not do this padding for private keys any more: RFC 8017, 7.2.2. */
function decrypted(hex: string, cloudKey: KeyObject): string {
  const block = privateDecrypt({key: cloudKey, padding: constants.RSA_NO_PADDING}, Buffer.from(hex, 'hex'));
  want(block[0] === 0 && block[1] === 2, 'padding of an encrypted key');
  const content = block.subarray(block.indexOf(0, 2) + 1).toString('ascii');
  want(/^[0-9a-f]{32}$/.test(content), 'an encrypted key');
  return content;
}

function child(node: Node, name: string): Node {
  const found = node[name];
  if (typeof found !== 'object' || found === null) throw new Error(`no element ${name}`);
  return found as Node;
}

function text(node: Node, name: string): string {
  const found = node[name];
  const value = typeof found === 'object' && found !== null ? (found as Node)['#text'] : found;
  return typeof value === 'string' ? value : '';
}

function sha1(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('hex');
}

function want(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`the manifest is refused: ${what}`);
}
