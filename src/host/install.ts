import {spawn} from 'node:child_process';
import {fail, ok, type Result} from '../result.ts';
import {installCommand} from './doctor.ts';
import {probe} from './probe.ts';
import {findProgram} from './requirements.ts';

export interface InstallFailure {
  readonly reason: 'no-apt' | 'not-root' | 'apt-failed';
  readonly message: string;
}

/**
 * Installs Debian packages, as root or through a sudo that does not ask. apt's own output goes to standard error, so
 * that standard output stays with the caller.
 */
export async function installPackages(
  packages: readonly string[],
): Promise<Result<undefined, InstallFailure>> {
  const apt = await findProgram('apt-get');
  if (apt === undefined)
    return fail({
      reason: 'no-apt',
      message: 'This host has no apt-get; install what is missing with its own package manager',
    });
  const prefix = await rootPrefix();
  if (prefix === undefined) {
    return fail({
      reason: 'not-root',
      message: `Installing needs root. Run: sudo ${installCommand(packages).join(' ')}`,
    });
  }
  const [, ...install] = installCommand(packages);
  /* Another apt may be at work; waiting for it is kinder than failing. */
  const lock = ['-o', 'DPkg::Lock::Timeout=300'];
  for (const parameters of [['update'], install]) {
    const command = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', apt, ...lock, ...parameters];
    const exitCode = await runVisibly(command);
    if (exitCode !== 0)
      return fail({reason: 'apt-failed', message: `apt-get ${parameters[0] ?? ''} exited with ${exitCode}`});
  }
  return ok(undefined);
}

/** What is put before a command to run it as root; undefined when that cannot be done without asking. */
async function rootPrefix(): Promise<readonly string[] | undefined> {
  if (process.getuid?.() === 0) return [];
  const {exitCode} = await probe(['sudo', '-n', 'true'], {timeoutMs: 10_000});
  return exitCode === 0 ? ['sudo', '-n'] : undefined;
}

function runVisibly([program = '', ...parameters]: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, {stdio: ['ignore', process.stderr, process.stderr]});
    child.on('error', reject);
    child.on('close', (exitCode) => resolve(exitCode ?? 1));
  });
}
