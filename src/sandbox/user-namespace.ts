import {spawn, spawnSync} from 'node:child_process';

/**
 * An ordinary user builds as the root of a user namespace: the whole of fgimage runs there, started a second time,
 * so that the tree of an image has its real owners (user_namespaces(7), newuidmap(1)).
 */
const mapping = ['--user', '--map-root-user', '--map-auto'] as const;

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Whether the host lets this user have such a namespace. */
export function canEnterUserNamespace(): boolean {
  return spawnSync('unshare', [...mapping, '--', 'true'], {stdio: 'ignore'}).status === 0;
}

/** Runs this same command line inside, and gives its exit code. Signals reach the inner process, as does an abort. */
export function enterUserNamespace(abort?: AbortSignal): Promise<number> {
  const child = spawn(
    'unshare',
    [
      ...mapping,
      '--',
      'setpriv',
      '--pdeathsig',
      'KILL',
      '--',
      process.execPath,
      ...process.execArgv,
      ...process.argv.slice(1),
    ],
    {stdio: 'inherit'},
  );
  // The terminal sends SIGINT to both; the inner process cleans up, the outer one waits for it.
  const forward = (signal: NodeJS.Signals): void => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, forward);
  abort?.addEventListener('abort', () => child.kill('SIGTERM'), {once: true});
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}
