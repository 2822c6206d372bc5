import {createHash, createPublicKey, type KeyObject} from 'node:crypto';
import {fail, ok, type Result} from '../result.ts';
import {reading, WireError, WireReader, wireString} from './ssh-wire.ts';

export const ed25519Type = 'ssh-ed25519';

/** An Ed25519 key as OpenSSH writes it (RFC 8709). */
export interface PublicKey {
  /** The bytes that stand in base64 in a `.pub` file. */
  readonly blob: Buffer;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  readonly key: KeyObject;
}

/** A key from its 32 bytes. */
export function publicKeyOf(raw: Buffer): PublicKey {
  const blob = Buffer.concat([wireString(ed25519Type), wireString(raw)]);
  const key = createPublicKey({
    key: {kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url')},
    format: 'jwk',
  });
  return {blob, fingerprint: fingerprintOf(blob), key};
}

export function publicKeyOfObject(key: KeyObject): PublicKey {
  return publicKeyOf(Buffer.from(key.export({format: 'jwk'}).x ?? '', 'base64url'));
}

/** A key from the bytes of a `.pub` file; the failure says in words what else they are. */
export function readPublicKey(blob: Buffer): Result<PublicKey, string> {
  const read = reading(() => {
    const reader = new WireReader(blob);
    const type = reader.text();
    if (type !== ed25519Type)
      throw new WireError(`it is of the type ${printableType(type)}, not ${ed25519Type}`);
    const raw = reader.string();
    if (raw.length !== 32 || !reader.isAtEnd) throw new WireError('it has not the length of an Ed25519 key');
    return raw;
  });
  return read.ok ? ok(publicKeyOf(read.value)) : read;
}

/** A line of a `.pub` file: type, base64, comment. */
export function readPublicKeyLine(line: string): Result<PublicKey, string> {
  const [type = '', base64 = ''] = line.trim().split(/\s+/);
  if (!/^(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+$/.test(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    return fail('it is no line "ssh-ed25519 AAAA…" of a .pub file');
  return readPublicKey(Buffer.from(base64, 'base64'));
}

export function publicKeyLine({blob}: PublicKey, comment = ''): string {
  return `${ed25519Type} ${blob.toString('base64')}${comment === '' ? '' : ` ${comment}`}`;
}

export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replaceAll('=', '')}`;
}

function printableType(type: string): string {
  return /^[\w@.-]{1,64}$/.test(type) ? type : 'of no name';
}
