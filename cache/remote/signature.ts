import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import {RemoteError} from '../../src/http/error.ts';

/** A public key whose records are believed. */
export interface TrustedKey {
  /** The first 16 hex digits of the SHA-256 of the raw public key. */
  readonly id: string;
  readonly publicKey: KeyObject;
}

export interface SigningKey extends TrustedKey {
  readonly privateKey: KeyObject;
}

/** As it stands in a record: which key, and the Ed25519 signature (RFC 8032) in base64. */
export interface Signature {
  readonly key_id: string;
  readonly ed25519: string;
}

const pemHint = 'Make a pair with "fgimage cache keygen", or with "openssl genpkey -algorithm ed25519".';

/** Reads a public key: SPKI in PEM, or `ed25519:<base64 of the raw 32 bytes>`. Throws `RemoteError` for another text. */
export function parseTrustedKey(text: string): TrustedKey {
  const short = /^ed25519:(?<raw>[A-Za-z0-9+/_-]{43}=?)$/.exec(text.trim());
  try {
    const publicKey =
      short?.groups?.['raw'] === undefined
        ? createPublicKey(requirePem(text, 'PUBLIC KEY'))
        : createPublicKey({
            key: {
              kty: 'OKP',
              crv: 'Ed25519',
              x: Buffer.from(short.groups['raw'], 'base64').toString('base64url'),
            },
            format: 'jwk',
          });
    requireEd25519(publicKey);
    return {id: keyId(publicKey), publicKey};
  } catch (error) {
    throw new RemoteError('usage', 'A trusted key is no Ed25519 public key: PEM or ed25519:<base64>', {
      hint: pemHint,
      cause: error,
    });
  }
}

/** Reads a private key, PKCS#8 in PEM. Throws `RemoteError` for another text. */
export function parseSigningKey(pem: string): SigningKey {
  try {
    const privateKey = createPrivateKey(requirePem(pem, 'PRIVATE KEY'));
    requireEd25519(privateKey);
    const publicKey = createPublicKey(privateKey);
    return {id: keyId(publicKey), publicKey, privateKey};
  } catch {
    // Without the cause: what OpenSSL says of a private key has no place in a log.
    throw new RemoteError('usage', 'The signing key is no Ed25519 private key in PEM', {hint: pemHint});
  }
}

/** A new pair: the private key for the file that signs, the public one for everybody else. */
export function generateKeyPair(): {
  readonly id: string;
  readonly privatePem: string;
  readonly publicPem: string;
  /** `ed25519:<base64>`, the form that fits on a line. */
  readonly publicKey: string;
} {
  const {privateKey, publicKey} = generateKeyPairSync('ed25519');
  return {
    id: keyId(publicKey),
    privatePem: privateKey.export({type: 'pkcs8', format: 'pem'}).toString(),
    publicPem: publicKey.export({type: 'spki', format: 'pem'}).toString(),
    publicKey: `ed25519:${rawPublicKey(publicKey).toString('base64')}`,
  };
}

export function signText(text: string, key: SigningKey): Signature {
  return {key_id: key.id, ed25519: sign(null, Buffer.from(text), key.privateKey).toString('base64')};
}

export function verifyText(text: string, signature: Signature, key: TrustedKey): boolean {
  return verify(null, Buffer.from(text), key.publicKey, Buffer.from(signature.ed25519, 'base64'));
}

/** JSON with sorted members and without spaces, as RFC 8785 (JCS) has it: the same value is the same text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value);
}

/** A PEM block with this label and no other: an encrypted or a wrong kind of key is told at once. */
function requirePem(text: string, label: string): string {
  if (!text.includes(`-----BEGIN ${label}-----`)) throw new Error(`no ${label}`);
  return text;
}

function requireEd25519(key: KeyObject): void {
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('another kind of key');
}

function keyId(publicKey: KeyObject): string {
  return createHash('sha256').update(rawPublicKey(publicKey)).digest('hex').slice(0, 16);
}

function rawPublicKey(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({format: 'jwk'}).x ?? '', 'base64url');
}
