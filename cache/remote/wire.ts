import {fail, ok, type Result} from '../../src/result.ts';
import type {ActionRecord} from '../record.ts';
import type {Blob} from './backend.ts';
import {
  canonicalJson,
  type Signature,
  type SigningKey,
  signText,
  type TrustedKey,
  verifyText,
} from './signature.ts';

/** A record as it lies in a remote cache: docs/reference/remote-cache.md, "Wire format". */
export interface WireRecord {
  readonly version: 1;
  readonly record: ActionRecord;
  /** The output as a tar, compressed with zstd. */
  readonly object: Blob;
  /** The log as it is; absent where it was lost. */
  readonly log?: Blob;
}

/** A record whose signature holds. */
export interface RemoteHit {
  /** Without `log` where the remote has no log. */
  readonly record: ActionRecord;
  readonly object: Blob;
  readonly log?: Blob;
  /** Who signed it. */
  readonly keyId: string;
}

/** Why a record is as good as none. `message` continues the sentence "a record is ignored: it is …". */
export interface IgnoredRecord {
  readonly reason: 'malformed' | 'version' | 'unsigned' | 'unknown-key' | 'tampered' | 'other-key';
  readonly message: string;
}

/** The bytes of a record, signed over the canonical text of all else. */
export function writeWireRecord(wire: WireRecord, key: SigningKey): Buffer {
  // What a reader gets: without members that JSON does not have.
  const value = JSON.parse(JSON.stringify(wire)) as WireRecord;
  return Buffer.from(canonicalJson({...value, signature: signText(canonicalJson(value), key)}));
}

/**
 * Reads a record that was asked for by its key. Nothing in it is believed before its signature by a trusted key holds
 * and it is the record of that key; anything else is told as a reason to ignore it.
 */
export function readWireRecord(
  bytes: Buffer,
  {key, trustedKeys}: {readonly key: string; readonly trustedKeys: readonly TrustedKey[]},
): Result<WireRecord & {readonly keyId: string}, IgnoredRecord> {
  const parsed = parseJson(bytes);
  if (!isObject(parsed)) return ignore('malformed', 'not a record of fgimage');
  if (parsed['version'] !== 1) return ignore('version', 'in the format of another fgimage');
  const {signature, ...signed} = parsed;
  if (!isSignature(signature)) return ignore('unsigned', 'not signed');
  const signer = trustedKeys.find(({id}) => id === signature.key_id);
  if (signer === undefined) {
    const id = /^[0-9a-f]{1,64}$/.test(signature.key_id) ? ` ${signature.key_id}` : '';
    return ignore('unknown-key', `signed by a key that is not trusted${id && `,${id}`}`);
  }
  if (!verifyText(canonicalJson(signed), signature, signer)) {
    return ignore('tampered', 'not what its signature is for');
  }
  const wire = asWireRecord(signed);
  if (wire === undefined) return ignore('malformed', 'not a record of fgimage');
  if (wire.record.key !== key) return ignore('other-key', 'the record of another stage');
  return ok({...wire, keyId: signer.id});
}

export function withoutLog(record: ActionRecord): ActionRecord {
  const copy: {-readonly [Name in keyof ActionRecord]: ActionRecord[Name]} = {...record};
  delete copy.log;
  return copy;
}

function ignore(reason: IgnoredRecord['reason'], message: string): Result<never, IgnoredRecord> {
  return fail({reason, message});
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

type JsonRecord = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSignature(value: unknown): value is Signature {
  return isObject(value) && typeof value['key_id'] === 'string' && typeof value['ed25519'] === 'string';
}

/** The shape that the rest of fgimage relies on; a log that the record does not name is no part of it. */
function asWireRecord(value: JsonRecord): WireRecord | undefined {
  const {record, object, log} = value;
  if (!isActionRecord(record) || !isBlob(object)) return undefined;
  if (log === undefined) return {version: 1, record, object};
  return isBlob(log) && log.sha256 === record.log ? {version: 1, record, object, log} : undefined;
}

function isActionRecord(value: unknown): value is ActionRecord {
  if (!isObject(value)) return false;
  const {log} = value;
  return (
    isDigest(value['key']) &&
    typeof value['stage'] === 'string' &&
    isDigest(value['digest']) &&
    isCount(value['sizeBytes']) &&
    isCount(value['durationMs']) &&
    isCount(value['startedAt']) &&
    (log === undefined || isDigest(log))
  );
}

function isBlob(value: unknown): value is Blob {
  return isObject(value) && isDigest(value['sha256']) && isCount(value['sizeBytes']);
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
