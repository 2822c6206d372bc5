import {spawn} from 'node:child_process';

export interface ProbeOptions {
  readonly timeoutMs: number;
  /** Where it runs; absent: the current folder. */
  readonly folder?: string;
}

export interface ProbeResult {
  /** Null when the program was ended by a signal or could not be started. */
  readonly exitCode: number | null;
  /** Standard output and standard error, as they came. */
  readonly output: string;
  readonly timedOut: boolean;
}

/** Runs a short program to see whether it works. Ends its whole process group at the limit; never throws. */
export function probe(command: readonly [string, ...string[]], options: ProbeOptions): Promise<ProbeResult> {
  const [program, ...parameters] = command;
  return new Promise((resolve) => {
    const child = spawn(program, parameters, {
      detached: true,
      stdio: 'pipe',
      env: {...process.env, LC_ALL: 'C'},
    });
    let output = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      endGroup(child.pid);
    }, options.timeoutMs);
    const collect = (chunk: Buffer) => {
      output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', ({message}) => {
      clearTimeout(timer);
      resolve({exitCode: null, output: message, timedOut});
    });
    child.on('close', (exitCode) => {
      clearTimeout(timer);
      resolve({exitCode, output, timedOut});
    });
  });
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    /* It ended by itself just now. */
  }
}
