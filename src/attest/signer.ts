import {createPrivateKey, type KeyObject, sign} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {FgError, isErrno} from '../errors.ts';
import {agentHolds, agentSign} from './agent.ts';
import {type PublicKey, publicKeyOfObject, readPublicKey, readPublicKeyLine} from './public-key.ts';
import {reading, unarmored, WireError, WireReader} from './ssh-wire.ts';

/** Whoever signs: the key itself, or an agent that has it. */
export interface Signer {
  readonly publicKey: PublicKey;
  /** Ed25519 over the bytes as they are: 64 bytes. */
  readonly sign: (data: Buffer) => Promise<Buffer>;
}

/**
 * Reads the key to sign with: an Ed25519 key in OpenSSH's format or PKCS #8 PEM. One with a passphrase, and a `.pub`
 * file, stand for the key of that name in the SSH agent (`$SSH_AUTH_SOCK`): fgimage takes no passphrases. Throws
 * `FgError` for all that it cannot sign with.
 */
export async function readSigner(path: string, env: NodeJS.ProcessEnv): Promise<Signer> {
  const text = readKeyFile(path);
  if (text.startsWith('-----BEGIN OPENSSH PRIVATE KEY-----')) {
    const key = readOpensshKey(text);
    if (!key.ok) throw unusable(path, key.error);
    return key.value.kind === 'plain'
      ? signerOf(key.value.privateKey)
      : agentSigner(key.value.publicKey, {path, env, why: 'is protected by a passphrase'});
  }
  if (text.startsWith('-----BEGIN PRIVATE KEY-----')) return signerOf(readPkcs8(text, path));
  if (/^-----BEGIN ENCRYPTED (?:SIGSTORE|COSIGN) PRIVATE KEY-----/.test(text))
    throw unusable(path, "it is cosign's own encrypted form, which fgimage does not read");
  if (text.startsWith('-----BEGIN ENCRYPTED PRIVATE KEY-----'))
    throw unusable(path, 'it is an encrypted PKCS #8 key, and fgimage takes no passphrases');
  if (text.startsWith('-----')) throw unusable(path, 'it is no Ed25519 key in OpenSSH or PKCS #8 format');
  const line = readPublicKeyLine(text);
  if (!line.ok) throw unusable(path, line.error);
  return agentSigner(line.value, {path, env, why: 'is a public key'});
}

export function signerOf(privateKey: KeyObject): Signer {
  return {
    publicKey: publicKeyOfObject(privateKey),
    sign: (data) => Promise.resolve(sign(null, data, privateKey)),
  };
}

type OpensshKey =
  | {readonly kind: 'plain'; readonly privateKey: KeyObject}
  | {readonly kind: 'protected'; readonly publicKey: PublicKey};

/** PROTOCOL.key of OpenSSH: `openssh-key-v1`. The public half is readable in a protected key too. */
function readOpensshKey(text: string) {
  return reading((): OpensshKey => {
    const bytes = unarmored(text, 'OPENSSH PRIVATE KEY');
    if (bytes === undefined) throw new WireError('its armor is broken');
    const reader = new WireReader(bytes);
    if (reader.take(15).toString('latin1') !== 'openssh-key-v1\0')
      throw new WireError('it is of another format');
    const cipher = reader.text();
    reader.string(); // How the passphrase becomes a key …
    reader.string(); // … and with which options.
    if (reader.number() !== 1) throw new WireError('it holds several keys');
    const publicKey = readPublicKey(reader.string());
    if (!publicKey.ok) throw new WireError(publicKey.error);
    if (cipher !== 'none') return {kind: 'protected', publicKey: publicKey.value};
    const inner = new WireReader(reader.string());
    const [once, again] = [inner.number(), inner.number()];
    if (once !== again) throw new WireError('its private part is broken');
    inner.string(); // The type once more …
    const raw = inner.string(); // … and the public half.
    const seed = inner.string().subarray(0, 32);
    if (seed.length !== 32 || raw.length !== 32) throw new WireError('its private part is broken');
    const privateKey = createPrivateKey({
      key: {kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url'), d: seed.toString('base64url')},
      format: 'jwk',
    });
    if (!publicKeyOfObject(privateKey).blob.equals(publicKey.value.blob))
      throw new WireError('its halves belong to two keys');
    return {kind: 'plain', privateKey};
  });
}

function readPkcs8(text: string, path: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (error) {
    throw unusable(path, 'its PEM is broken', error);
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw unusable(path, `it is of the type ${key.asymmetricKeyType ?? 'unknown'}, not ed25519`);
  return key;
}

async function agentSigner(
  publicKey: PublicKey,
  {path, env, why}: {readonly path: string; readonly env: NodeJS.ProcessEnv; readonly why: string},
): Promise<Signer> {
  const socket = env['SSH_AUTH_SOCK'] ?? '';
  const hint = `fgimage signs with such a key by the SSH agent only: run "ssh-add ${path.replace(/\.pub$/, '')}"`;
  if (socket === '')
    throw new FgError('KEY_UNUSABLE', `The key ${path} ${why}, and $SSH_AUTH_SOCK names no agent`, {hint});
  if (!(await agentHolds(socket, publicKey)))
    throw new FgError('KEY_UNUSABLE', `The key ${path} ${why}, and the SSH agent does not hold it`, {hint});
  return {publicKey, sign: (data) => agentSign(socket, publicKey, data)};
}

function readKeyFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR')) throw error;
    throw new FgError('KEY_UNUSABLE', `Cannot read the key ${path}`, {
      cause: error,
      hint: 'Name the file of an Ed25519 key with --key; "ssh-keygen -t ed25519 -f <file>" makes one',
    });
  }
}

function unusable(path: string, why: string, cause?: unknown): FgError {
  return new FgError('KEY_UNUSABLE', `Cannot sign with the key ${path}: ${why}`, {
    cause,
    hint: '"ssh-keygen -t ed25519 -f <file>" makes a key that fgimage signs with',
  });
}
