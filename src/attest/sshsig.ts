import {createHash, verify} from 'node:crypto';
import {fail, type Result} from '../result.ts';
import {ed25519Type, fingerprintOf, type PublicKey, readPublicKey} from './public-key.ts';
import type {Signer} from './signer.ts';
import {armored, reading, unarmored, WireError, WireReader, wireNumber, wireString} from './ssh-wire.ts';

/**
 * OpenSSH's signatures of files: PROTOCOL.sshsig of openssh-portable. What `ssh-keygen -Y sign` writes and
 * `ssh-keygen -Y verify` reads.
 */
const magic = 'SSHSIG';
const version = 1;
const label = 'SSH SIGNATURE';

/** What fgimage's signatures are for; one made for something else does not count. */
export const namespace = 'fgimage';

export interface SshSignature {
  readonly publicKey: PublicKey;
  readonly namespace: string;
  readonly reserved: Buffer;
  readonly hashAlgorithm: HashAlgorithm;
  readonly signature: Buffer;
}

type HashAlgorithm = 'sha256' | 'sha512';

/** Signs a message, armored. */
export async function signSsh(message: Buffer, signer: Signer): Promise<string> {
  const parts = {namespace, reserved: Buffer.alloc(0), hashAlgorithm: 'sha512'} as const;
  const signature = await signer.sign(signedBytes(message, parts));
  return armored(
    Buffer.concat([
      Buffer.from(magic),
      wireNumber(version),
      wireString(signer.publicKey.blob),
      wireString(parts.namespace),
      wireString(parts.reserved),
      wireString(parts.hashAlgorithm),
      wireString(Buffer.concat([wireString(ed25519Type), wireString(signature)])),
    ]),
    label,
  );
}

/** Takes an armored signature apart; says in words what is wrong with it. Proves nothing yet. */
export function readSsh(text: string): Result<SshSignature, string> {
  const bytes = unarmored(text, label);
  if (bytes === undefined) return fail('it is no armored SSH signature');
  return reading(() => {
    const reader = new WireReader(bytes);
    if (reader.take(magic.length).toString('latin1') !== magic) throw new WireError('it is no SSH signature');
    if (reader.number() !== version) throw new WireError('it is of a version that fgimage does not know');
    const blob = reader.string();
    const publicKey = readPublicKey(blob);
    if (!publicKey.ok)
      throw new WireError(`its key ${fingerprintOf(blob)} cannot be used: ${publicKey.error}`);
    const given = {namespace: reader.text(), reserved: reader.string()};
    const hashAlgorithm = reader.text();
    if (hashAlgorithm !== 'sha256' && hashAlgorithm !== 'sha512')
      throw new WireError('it is made over a digest other than SHA-256 and SHA-512');
    const inner = new WireReader(reader.string());
    if (inner.text() !== ed25519Type) throw new WireError('it is of another type than its key');
    const signature = inner.string();
    if (!inner.isAtEnd || !reader.isAtEnd) throw new WireError('something stands behind its end');
    return {publicKey: publicKey.value, ...given, hashAlgorithm, signature};
  });
}

/** Whether a signature is that of its own key over a message. Whether the key counts is asked elsewhere. */
export function isSignedBy(message: Buffer, signature: SshSignature): boolean {
  return verify(null, signedBytes(message, signature), signature.publicKey.key, signature.signature);
}

function signedBytes(
  message: Buffer,
  parts: Pick<SshSignature, 'namespace' | 'reserved' | 'hashAlgorithm'>,
): Buffer {
  return Buffer.concat([
    Buffer.from(magic),
    wireString(parts.namespace),
    wireString(parts.reserved),
    wireString(parts.hashAlgorithm),
    wireString(createHash(parts.hashAlgorithm).update(message).digest()),
  ]);
}
