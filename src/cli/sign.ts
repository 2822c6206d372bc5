import {findSets} from '../attest/find-set.ts';
import {publicKeyLine} from '../attest/public-key.ts';
import {signSet} from '../attest/signed-set.ts';
import {readSigner, type Signer} from '../attest/signer.ts';
import {namespace} from '../attest/sshsig.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {RemoteError} from '../http/error.ts';

export interface SignOptions {
  /** `<image>`, `<image>/<target>`, or a folder. */
  readonly artifact?: string | undefined;
  /** `registry/name:tag` or `registry/name@sha256:…`. */
  readonly oci?: string | undefined;
  readonly key: string | undefined;
  /** Who the key is of, for the line of an allowed signers file. */
  readonly identity?: string | undefined;
  readonly printPublicKey?: PublicKeyForm | undefined;
  readonly output: string;
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
  readonly env?: NodeJS.ProcessEnv;
}

/** `allowed-signers`: a line for that file; `pem`: as cosign wants it. */
const publicKeyForms = ['allowed-signers', 'ssh', 'pem'] as const;
export type PublicKeyForm = (typeof publicKeyForms)[number];

/** What `--print-public-key` was given. */
export function publicKeyForm(word: string | undefined): PublicKeyForm | undefined {
  const found = publicKeyForms.find((form) => form === word);
  if (word === undefined || found !== undefined) return found;
  throw new FgError('USAGE', `--print-public-key wants one of ${publicKeyForms.join(', ')}, not ${word}`);
}

/** `fgimage sign`: signs what was built, or an artifact in a registry; or prints the public half of the key. */
export async function runSign(options: SignOptions): Promise<ExitCode> {
  const {artifact, oci, key, printPublicKey, output, stream = process.stdout, env = process.env} = options;
  if (key === undefined)
    throw new FgError('USAGE', 'No key to sign with is named', {
      hint: 'Name the file of an Ed25519 key with --key; "ssh-keygen -t ed25519 -f <file>" makes one',
    });
  const asked = [artifact, oci, printPublicKey].filter((one) => one !== undefined);
  if (asked.length !== 1)
    throw new FgError('USAGE', 'Name one thing to sign: an image, or --oci with an artifact in a registry', {
      hint: 'Write e.g. fgimage sign web/openstack --key <file>',
    });
  const signer = await readSigner(key, env);
  if (printPublicKey !== undefined) {
    stream.write(publicKeyText(signer, printPublicKey, options.identity));
  } else if (oci !== undefined) {
    await signInRegistry(oci, {signer, stream, env});
  } else {
    for (const {name, folder, file} of findSets(artifact ?? '', output)) {
      if (file !== undefined)
        throw new FgError('USAGE', `${name} is a file`, {hint: 'Sign the folder that it lies in'});
      const files = await signSet(folder, signer);
      stream.write(`${name}: signed with ${signer.publicKey.fingerprint} (${files.join(', ')})\n`);
    }
  }
  return exitCode.done;
}

async function signInRegistry(
  oci: string,
  {signer, stream, env}: {signer: Signer; stream: {write(text: string): unknown}; env: NodeJS.ProcessEnv},
): Promise<void> {
  const {signOci} = await import('../attest/cosign.ts');
  const {reference, registry} = await openRegistry(oci, env);
  const signed = await orRegistryError(() => signOci(reference, {registry, signer}));
  if (!signed.ok)
    throw new FgError('NOT_BUILT', `There is no ${oci} in the registry`, {hint: 'Push it first'});
  const {digest, wasSigned} = signed.value;
  const how = wasSigned ? 'was signed before with' : 'signed with';
  stream.write(`${oci}: ${digest} ${how} ${signer.publicKey.fingerprint}\n`);
}

/** A registry's repository by its reference. Throws `FgError` for one that is none. */
export async function openRegistry(text: string, env: NodeJS.ProcessEnv) {
  const {readReference} = await import('../clients/oci/reference.ts');
  const {Registry} = await import('../clients/oci/registry.ts');
  const read = readReference(text);
  if (!read.ok)
    throw new FgError('USAGE', `Cannot make sense of ${text}: ${read.error}`, {
      hint: 'Write registry.example.org/name:tag or registry.example.org/name@sha256:…',
    });
  const signal = new AbortController().signal;
  return {reference: read.value, registry: new Registry(read.value, {env, signal})};
}

/** What a registry does not give or take is an `FgError`. */
export async function orRegistryError<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    throw new FgError('REGISTRY_REFUSED', error.message, {
      cause: error,
      hint: 'Check the address, and the login in $REGISTRY_AUTH_FILE or ~/.docker/config.json',
    });
  }
}

function publicKeyText({publicKey}: Signer, form: PublicKeyForm, identity: string | undefined): string {
  if (form === 'pem') return publicKey.key.export({type: 'spki', format: 'pem'}).toString();
  if (form === 'ssh') return `${publicKeyLine(publicKey, identity)}\n`;
  if (identity === undefined || !/^[^\s",!*?#]+$/.test(identity))
    throw new FgError('USAGE', 'A line of allowed signers begins with whom the key is of', {
      hint: 'Name them with --identity, e.g. --identity ada@example.org',
    });
  return `${identity} namespaces="${namespace}" ${publicKeyLine(publicKey)}\n`;
}
