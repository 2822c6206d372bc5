import {fail, ok, type Result} from '../result.ts';
import {matchesList} from './patterns.ts';

/** A line of an ALLOWED SIGNERS file, ssh-keygen(1). */
export interface AllowedSigner {
  readonly line: number;
  /** Patterns, parted by commas. */
  readonly principals: string;
  readonly isAuthority: boolean;
  /** Patterns; absent: any namespace. */
  readonly namespaces?: string;
  /** Milliseconds since the epoch. */
  readonly validAfter?: number;
  readonly validBefore?: number;
  /** The key as it stands there: type and bytes. */
  readonly blob: Buffer;
}

export interface Claim {
  readonly blob: Buffer;
  readonly namespace: string;
  /** Who is to have signed; absent: any of those that the file allows. */
  readonly identity?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export type Refusal =
  | {readonly reason: 'unknown-key'; readonly authorities: readonly number[]}
  | {readonly reason: 'other-identity'; readonly principals: readonly string[]}
  | {readonly reason: 'other-namespace'; readonly line: number; readonly namespaces: string}
  | {readonly reason: 'not-yet-valid' | 'expired'; readonly line: number; readonly time: number};

/** Reads the file; the failure says line and mistake. */
export function readAllowedSigners(text: string): Result<readonly AllowedSigner[], string> {
  const signers: AllowedSigner[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const signer = readLine(line, index + 1);
    if (!signer.ok) return fail(`line ${index + 1}: ${signer.error}`);
    signers.push(signer.value);
  }
  return ok(signers);
}

/** Finds the line that allows a key to sign; else why the one that comes nearest does not. */
export function findAllowed(signers: readonly AllowedSigner[], claim: Claim): Result<AllowedSigner, Refusal> {
  const {blob, identity} = claim;
  const ofKey = signers.filter((signer) => !signer.isAuthority && signer.blob.equals(blob));
  if (ofKey.length === 0) {
    const authorities = signers.filter(({isAuthority}) => isAuthority).map(({line}) => line);
    return fail({reason: 'unknown-key', authorities});
  }
  const ofIdentity = ofKey.filter(
    ({principals}) => identity === undefined || matchesList(identity, principals),
  );
  if (ofIdentity.length === 0)
    return fail({reason: 'other-identity', principals: ofKey.map(({principals}) => principals)});
  const refusals: Refusal[] = [];
  for (const signer of ofIdentity) {
    const refusal = refuse(signer, claim);
    if (refusal === undefined) return ok(signer);
    refusals.push(refusal);
  }
  return fail(refusals[0] ?? {reason: 'unknown-key', authorities: []});
}

function refuse(
  {line, namespaces, validAfter, validBefore}: AllowedSigner,
  {namespace, at}: Claim,
): Refusal | undefined {
  if (namespaces !== undefined && !matchesList(namespace, namespaces))
    return {reason: 'other-namespace', line, namespaces};
  if (validAfter !== undefined && at < validAfter) return {reason: 'not-yet-valid', line, time: validAfter};
  if (validBefore !== undefined && at > validBefore) return {reason: 'expired', line, time: validBefore};
  return undefined;
}

const keyType = /^(?:ssh-|ecdsa-|sk-)[\w@.-]+$/;

function readLine(text: string, line: number): Result<AllowedSigner, string> {
  const [principals = '', ...rest] = words(text);
  const options = keyType.test(rest[0] ?? '') ? '' : (rest.shift() ?? '');
  const [type = '', base64 = ''] = rest;
  if (!keyType.test(type)) return fail('no type of a key, e.g. ssh-ed25519, stands where it belongs');
  const blob = Buffer.from(base64, 'base64');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || !blob.subarray(4).toString('latin1').startsWith(type))
    return fail('the key is broken');
  const read = readOptions(options);
  if (!read.ok) return read;
  return ok({line, principals: unquoted(principals), isAuthority: false, ...read.value, blob});
}

type Options = Partial<Omit<AllowedSigner, 'line' | 'principals' | 'blob'>>;

function readOptions(text: string): Result<Options, string> {
  let options: Options = {};
  for (const [word] of text.matchAll(/(?:[^,"]|"[^"]*")+/g)) {
    const at = word.indexOf('=');
    const name = (at === -1 ? word : word.slice(0, at)).toLowerCase();
    const value = at === -1 ? '' : unquoted(word.slice(at + 1));
    if (name === 'cert-authority' && at === -1) options = {...options, isAuthority: true};
    else if (name === 'namespaces' && value !== '') options = {...options, namespaces: value};
    else if (name === 'valid-after' || name === 'valid-before') {
      const time = timestamp(value);
      if (time === undefined)
        return fail(`${name} wants a time like 20270131 or 20270131120000Z, not "${value}"`);
      options = name === 'valid-after' ? {...options, validAfter: time} : {...options, validBefore: time};
    } else return fail(`the option "${word}" is none of ssh-keygen(1)`);
  }
  return ok(options);
}

/** `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`, in local time without the Z. */
function timestamp(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part: string | undefined) => Number(part ?? 0));
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59)
    return undefined;
  return match[7] === 'Z'
    ? Date.UTC(year, month - 1, day, hour, minute, second)
    : new Date(year, month - 1, day, hour, minute, second).getTime();
}

/** Words parted by blanks; what stands in double quotes is of one word. */
function words(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([word]) => word);
}

function unquoted(text: string): string {
  return text.replaceAll('"', '');
}
