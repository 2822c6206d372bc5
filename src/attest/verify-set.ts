import {lstatSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {digestFile} from '../../cache/tree.ts';
import {isErrno} from '../errors.ts';
import {fail, ok, type Result} from '../result.ts';
import {type AllowedSigner, findAllowed, type Refusal} from './allowed-signers.ts';
import {inTotoType, isEnvelopeSignedBy, readEnvelope} from './dsse.ts';
import {provenanceFile} from './provenance.ts';
import type {PublicKey} from './public-key.ts';
import {envelopeFile, filesToSign, signatureFile, sumsFile} from './signed-set.ts';
import {isSignedBy, namespace, readSsh} from './sshsig.ts';
import {readSums, type Sum} from './sums.ts';

/** What is wrong with a signed set. */
export type Problem =
  | {
      readonly reason: 'not-signed' | 'file-changed' | 'file-missing' | 'file-not-signed';
      readonly path: string;
    }
  | {
      readonly reason: 'signature-broken' | 'provenance-broken';
      readonly path: string;
      readonly detail: string;
    }
  | {readonly reason: 'other-namespace-signed'; readonly namespace: string}
  | {readonly reason: 'not-allowed'; readonly fingerprint: string; readonly refusal: Refusal};

export interface Verified {
  readonly fingerprint: string;
  /** The line of the allowed signers that counts. */
  readonly principals: string;
  readonly files: readonly string[];
}

export interface VerifyRequest {
  readonly folder: string;
  /** Only this file of the folder; absent: all, and no others. */
  readonly file?: string | undefined;
  readonly signers: readonly AllowedSigner[];
  readonly identity?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Checks a signed set. Nothing in it is believed before the signature over SHA256SUMS is found to be that of a key that
 * may sign; after that, every file is read and every problem told.
 */
export function verifySet(request: VerifyRequest): Result<Verified, readonly Problem[]> {
  const {folder, file, signers, identity, at} = request;
  const sums = read(folder, sumsFile);
  const armor = read(folder, signatureFile);
  if (armor === undefined || sums === undefined) {
    const missing = armor === undefined ? signatureFile : sumsFile;
    return fail([{reason: 'not-signed', path: missing}]);
  }
  const signature = readSsh(armor.toString('utf8'));
  if (!signature.ok) return broken(signatureFile, signature.error);
  const {publicKey} = signature.value;
  if (!isSignedBy(sums, signature.value))
    return broken(signatureFile, `it is none of the key ${publicKey.fingerprint} over this ${sumsFile}`);
  if (signature.value.namespace !== namespace)
    return fail([{reason: 'other-namespace-signed', namespace: signature.value.namespace}]);
  const allowed = findAllowed(signers, {blob: publicKey.blob, namespace, identity, at});
  if (!allowed.ok)
    return fail([{reason: 'not-allowed', fingerprint: publicKey.fingerprint, refusal: allowed.error}]);
  const listed = readSums(sums.toString('utf8'));
  if (!listed.ok) return broken(sumsFile, listed.error);
  const problems =
    file === undefined
      ? [...fileProblems(folder, listed.value), ...envelopeProblems(folder, listed.value, publicKey)]
      : oneFileProblems(folder, listed.value, file);
  if (problems.length > 0) return fail(problems);
  return ok({
    fingerprint: publicKey.fingerprint,
    principals: allowed.value.principals,
    files: file === undefined ? listed.value.map(({path}) => path) : [file],
  });
}

function broken(path: string, detail: string): Result<never, readonly Problem[]> {
  return fail([{reason: 'signature-broken', path, detail}]);
}

function oneFileProblems(folder: string, listed: readonly Sum[], file: string): readonly Problem[] {
  const sum = listed.find(({path}) => path === file);
  return sum === undefined ? [{reason: 'file-not-signed', path: file}] : changes(folder, [sum]);
}

function fileProblems(folder: string, listed: readonly Sum[]): readonly Problem[] {
  const signed = new Set(listed.map(({path}) => path));
  const strays = filesToSign(folder).filter((path) => !signed.has(path));
  return [...changes(folder, listed), ...strays.map((path): Problem => ({reason: 'file-not-signed', path}))];
}

function changes(folder: string, listed: readonly Sum[]): readonly Problem[] {
  return listed.flatMap(({path, sha256}): Problem[] => {
    const stat = lstatSync(join(folder, path), {throwIfNoEntry: false});
    if (stat === undefined) return [{reason: 'file-missing', path}];
    // A link may lead elsewhere the next time.
    const isSame = stat.isFile() && digestFile(join(folder, path)) === sha256;
    return isSame ? [] : [{reason: 'file-changed', path}];
  });
}

/** The envelope has to say what the signed provenance says, with a signature of the same key. */
function envelopeProblems(folder: string, listed: readonly Sum[], key: PublicKey): readonly Problem[] {
  const isProven = listed.some(({path}) => path === provenanceFile);
  const text = read(folder, envelopeFile);
  if (text === undefined) return isProven ? [{reason: 'file-missing', path: envelopeFile}] : [];
  const wrong = (detail: string): readonly Problem[] => [
    {reason: 'provenance-broken', path: envelopeFile, detail},
  ];
  const envelope = readEnvelope(text.toString('utf8'));
  if (!envelope.ok) return wrong(envelope.error);
  if (envelope.value.payloadType !== inTotoType)
    return wrong('it holds something else than an in-toto statement');
  if (envelope.value.signatures.length === 0) return wrong('it has no signature');
  if (!isEnvelopeSignedBy(envelope.value, key))
    return wrong(`no signature of it is that of ${key.fingerprint}`);
  const provenance = isProven ? read(folder, provenanceFile) : undefined;
  if (provenance?.equals(envelope.value.payload) !== true) return wrong(`it differs from ${provenanceFile}`);
  return [];
}

function read(folder: string, name: string): Buffer | undefined {
  try {
    return readFileSync(join(folder, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
