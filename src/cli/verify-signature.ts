import {readFileSync} from 'node:fs';
import {type AllowedSigner, type Refusal, readAllowedSigners} from '../attest/allowed-signers.ts';
import {findSets} from '../attest/find-set.ts';
import {namespace} from '../attest/sshsig.ts';
import {type Problem, verifySet} from '../attest/verify-set.ts';
import {type ExitCode, exitCode, FgError, isErrno} from '../errors.ts';
import {formatCount, printable} from '../ui/format.ts';
import {openRegistry, orRegistryError} from './sign.ts';

export interface VerifySignatureOptions {
  /** `<image>`, `<image>/<target>`, a folder or a file. */
  readonly artifact?: string | undefined;
  readonly allowedSigners?: string | undefined;
  /** Who is to have signed; absent: anybody whom the file allows. */
  readonly identity?: string | undefined;
  /** `registry/name:tag` or `registry/name@sha256:…`. */
  readonly oci?: string | undefined;
  /** For `oci`: PEM or a `.pub` file. */
  readonly publicKey?: string | undefined;
  readonly output: string;
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
  readonly env?: NodeJS.ProcessEnv;
  /** Absent: now. */
  readonly at?: number;
}

/** `fgimage verify-signature`. Throws `FgError` `SIGNATURE_REFUSED` that names all that is wrong. */
export async function runVerifySignature(options: VerifySignatureOptions): Promise<ExitCode> {
  const {artifact, oci} = options;
  if ((artifact === undefined) === (oci === undefined))
    throw new FgError('USAGE', 'Name one thing to check: an image, a path, or --oci with an artifact', {
      hint: 'Write e.g. fgimage verify-signature web/openstack --allowed-signers <file>',
    });
  if (oci !== undefined) await verifyInRegistry(oci, options);
  else verifyFiles(artifact ?? '', options);
  return exitCode.done;
}

function verifyFiles(
  artifact: string,
  {allowedSigners, identity, output, stream = process.stdout, at = Date.now()}: VerifySignatureOptions,
): void {
  const signers = readSigners(allowedSigners);
  for (const {name, folder, file} of findSets(artifact, output)) {
    const verified = verifySet({folder, file, signers, identity, at});
    if (!verified.ok) throw refused(name, verified.error);
    const {principals, fingerprint, files} = verified.value;
    const who = printable(identity ?? principals);
    stream.write(`${name}: ${formatCount(files.length, 'file')} signed by ${who} with ${fingerprint}\n`);
  }
}

async function verifyInRegistry(
  oci: string,
  {publicKey, stream = process.stdout, env = process.env}: VerifySignatureOptions,
): Promise<void> {
  if (publicKey === undefined)
    throw new FgError('USAGE', 'No public key to check with is named', {
      hint: 'Name one with --public-key: PEM, or a .pub file of OpenSSH',
    });
  const {readVerifyKey, verifyOci} = await import('../attest/cosign.ts');
  const key = readVerifyKey(readGiven(publicKey, 'the public key'));
  if (!key.ok)
    throw new FgError('KEY_UNUSABLE', `Cannot check with the key ${publicKey}: ${key.error}`, {
      hint: 'Name a PEM file, or a .pub file of an Ed25519 key',
    });
  const {reference, registry} = await openRegistry(oci, env);
  const verified = await orRegistryError(() => verifyOci(reference, {registry, key: key.value}));
  if (verified.ok) {
    stream.write(`${oci}: ${verified.value.digest} is signed with the key of ${publicKey}\n`);
    return;
  }
  const problem = verified.error;
  switch (problem.reason) {
    case 'no-artifact':
      throw new FgError('NOT_BUILT', `There is no ${oci} in the registry`, {hint: 'Check name and tag'});
    case 'not-signed':
      throw refusal(`${oci} is not signed: ${problem.digest} has no signatures`);
    case 'no-signature-counts':
      throw refusal(`${oci} has no signature that counts: ${[...new Set(problem.details)].join('; ')}`);
  }
}

function readSigners(path: string | undefined): readonly AllowedSigner[] {
  if (path === undefined)
    throw new FgError('USAGE', 'Nobody is named whose signature counts', {
      hint: 'Name a file with --allowed-signers; "fgimage sign --print-public-key" prints a line for it',
    });
  const signers = readAllowedSigners(readGiven(path, 'the allowed signers'));
  if (signers.ok) return signers.value;
  throw new FgError('USAGE', `Cannot use ${path}: ${signers.error}`, {
    hint: 'ssh-keygen(1), ALLOWED SIGNERS, describes the file',
  });
}

function readGiven(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR')) throw error;
    throw new FgError('USAGE', `Cannot read ${path}, ${what}`, {cause: error, hint: 'Check the path'});
  }
}

/** More than one problem, and each is told. */
function refused(name: string, problems: readonly Problem[]): FgError {
  return refusal(`${name} is not to be trusted: ${problems.map(problemText).join('; ')}`);
}

function refusal(message: string): FgError {
  return new FgError('SIGNATURE_REFUSED', message, {
    hint: 'Do not use it; get it once more from where it was built, or have it signed by somebody you trust',
  });
}

function problemText(problem: Problem): string {
  switch (problem.reason) {
    case 'not-signed':
      return `it is not signed, ${problem.path} is missing`;
    case 'file-changed':
      return `${printable(problem.path)} was changed after it was signed`;
    case 'file-missing':
      return `${printable(problem.path)} is missing`;
    case 'file-not-signed':
      return `${printable(problem.path)} is not among what was signed`;
    case 'signature-broken':
    case 'provenance-broken':
      return `${problem.path} does not hold: ${printable(problem.detail)}`;
    case 'other-namespace-signed':
      return `the signature was made for "${printable(problem.namespace)}", not for "${namespace}"`;
    case 'not-allowed':
      return refusalText(problem.fingerprint, problem.refusal);
  }
}

function refusalText(fingerprint: string, refusal: Refusal): string {
  switch (refusal.reason) {
    case 'unknown-key': {
      const lines = refusal.authorities.map(String).join(', ');
      const note = `; certificate authorities (line ${lines}) do not count, fgimage checks no certificates`;
      return `the key ${fingerprint} is not among the allowed signers${lines === '' ? '' : note}`;
    }
    case 'other-identity':
      return `the key ${fingerprint} is that of ${printable(refusal.principals.join(', '))}`;
    case 'other-namespace':
      return `the key ${fingerprint} may sign for ${printable(refusal.namespaces)} only (line ${refusal.line})`;
    case 'not-yet-valid':
      return `the key ${fingerprint} counts from ${new Date(refusal.time).toISOString()} on (line ${refusal.line})`;
    case 'expired':
      return `the key ${fingerprint} counted until ${new Date(refusal.time).toISOString()} (line ${refusal.line})`;
  }
}
