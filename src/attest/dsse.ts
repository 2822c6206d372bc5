import {verify} from 'node:crypto';
import {fail, ok, type Result} from '../result.ts';
import type {PublicKey} from './public-key.ts';
import type {Signer} from './signer.ts';

/** Dead Simple Signing Envelope, protocol and JSON envelope v1.0.0 (secure-systems-lab/dsse). */
export interface Envelope {
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signatures: readonly {readonly keyid: string; readonly sig: Buffer}[];
}

/** What an in-toto statement in an envelope is called (in-toto attestation framework, "Envelope layer"). */
export const inTotoType = 'application/vnd.in-toto+json';

/** The bytes that are signed: PAE of the protocol, lengths in bytes. */
export function preAuthentication(payloadType: string, payload: Buffer): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ]);
}

/** Signs a payload; `keyid` is the key's fingerprint as `ssh-keygen -l` prints it. */
export async function signEnvelope(payloadType: string, payload: Buffer, signer: Signer): Promise<string> {
  const sig = await signer.sign(preAuthentication(payloadType, payload));
  const envelope = {
    payloadType,
    payload: payload.toString('base64'),
    signatures: [{keyid: signer.publicKey.fingerprint, sig: sig.toString('base64')}],
  };
  return `${JSON.stringify(envelope, undefined, 2)}\n`;
}

/** Takes an envelope apart; says in words what is wrong with it. Proves nothing yet. */
export function readEnvelope(text: string): Result<Envelope, string> {
  const parsed = parse(text);
  if (typeof parsed !== 'object' || parsed === null) return fail('it is no JSON object');
  const {payloadType, payload, signatures} = parsed as Readonly<Record<string, unknown>>;
  const bytes = fromBase64(payload);
  if (typeof payloadType !== 'string' || bytes === undefined || !Array.isArray(signatures))
    return fail('it is no DSSE envelope');
  const read: {keyid: string; sig: Buffer}[] = [];
  for (const one of signatures as readonly unknown[]) {
    const {keyid, sig} = (one ?? {}) as Readonly<Record<string, unknown>>;
    const signature = fromBase64(sig);
    if (signature === undefined) return fail('one of its signatures is not base64');
    read.push({keyid: typeof keyid === 'string' ? keyid : '', sig: signature});
  }
  return ok({payloadType, payload: bytes, signatures: read});
}

/** Whether one of the signatures is this key's. The protocol has `keyid` as a hint: it proves nothing. */
export function isEnvelopeSignedBy({payloadType, payload, signatures}: Envelope, {key}: PublicKey): boolean {
  const signed = preAuthentication(payloadType, payload);
  return signatures.some(({sig}) => verify(null, signed, key, sig));
}

/** Either alphabet of RFC 4648: the protocol asks readers to take both. */
function fromBase64(value: unknown): Buffer | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9+/_-]*={0,2}$/.test(value)
    ? Buffer.from(value, 'base64')
    : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
