import {spawn, spawnSync} from 'node:child_process';
import {constants} from 'node:os';

/** The shell of an image: bash where it has one. */
export const interactiveShell = [
  '/bin/sh',
  '-c',
  'if [ -x /bin/bash ]; then exec /bin/bash; else exec /bin/sh; fi',
] as const;

/** Has the prompt say where one is: Debian's bash.bashrc shows `debian_chroot`, other shells take PS1. */
export function promptEnvironment(label: string): Readonly<Record<string, string>> {
  return {debian_chroot: label, PS1: `(${label}) # `};
}

/**
 * Runs one program to its end with this process's own input, output and terminal, and gives its exit code: 128 and the
 * number for a signal. Its descriptor 3 is a pipe that closes when this process ends. At a terminal Ctrl-C is the
 * program's to answer; every other signal to this process ends it. Throws only when the program cannot be started.
 */
export async function runAttached(
  command: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const [file, ...args] = command;
  const atTerminal = process.stdin.isTTY;
  const child = spawn(file, args, {env: {...env}, stdio: ['inherit', 'inherit', 'inherit', 'pipe']});
  let ended: number | undefined;
  const handlers = (['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => {
    const handler = (): void => {
      if (atTerminal && (signal === 'SIGINT' || signal === 'SIGQUIT')) return;
      ended ??= 128 + constants.signals[signal];
      child.kill('SIGKILL');
    };
    process.on(signal, handler);
    return {signal, handler};
  });
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (cause) => reject(new Error(`Cannot start ${file}`, {cause})));
      child.once('exit', (code, signal) =>
        resolve(ended ?? code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    for (const {signal, handler} of handlers) process.off(signal, handler);
    if (atTerminal) takeTerminalBack();
  }
}

/**
 * Puts this process's group into the terminal's foreground again (tcsetpgrp(3)): a shell in a PID namespace of its own
 * cannot name the group that was there before it. Node has no such call, and perl is needed for every sandbox.
 */
function takeTerminalBack(): void {
  const script = '$SIG{TTOU} = "IGNORE"; tcsetpgrp(0, getpgrp)';
  spawnSync('perl', ['-MPOSIX=tcsetpgrp', '-e', script], {stdio: 'inherit'});
}
