import {createWriteStream, type WriteStream} from 'node:fs';
import {constants} from 'node:os';
import {createInterface} from 'node:readline';

export interface RunProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly log: CommandLog;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  /** What it is given on its standard input, which stays open after that. */
  readonly input?: Buffer;
  /** Called with each line of stdout and stderr; a line for which it gives false is not logged. */
  readonly onLine?: (line: string) => boolean;
}

/** How a command ended. */
export interface ProcessOutcome {
  readonly command: readonly string[];
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly timedOut: boolean;
}

/** A command as it was started. */
export interface StartedCommand {
  readonly command: readonly string[];
  readonly options: RunProcessOptions;
}

/** The log of one stage: a file, its last lines, the commands that were started, and whoever listens. */
export class CommandLog {
  readonly path: string;
  readonly commands: StartedCommand[] = [];
  readonly #file: WriteStream;
  readonly #last: string[] = [];
  readonly #listener: (line: string) => void;
  #secrets: readonly string[] = [];

  constructor(path: string, listener: (line: string) => void) {
    this.path = path;
    this.#file = createWriteStream(path, {flags: 'a'});
    this.#file.on('error', () => undefined); // A full disk ends the stage by its own error; the log must not end the process.
    this.#listener = listener;
  }

  /** Texts that no line may hold from now on: each of them is written as `***`. */
  hide(secrets: readonly string[]): void {
    // The longest first: one may hold another.
    this.#secrets = [...this.#secrets, ...secrets].sort((a, b) => b.length - a.length);
  }

  /** A line without what is to be hidden. */
  clean(line: string): string {
    return this.#secrets.reduce((text, secret) => text.replaceAll(secret, '***'), line);
  }

  /** Likewise of a text that may be cut off: neither is there what one of them begins with at its end. */
  cleanCut(text: string): string {
    const cleaned = this.clean(text);
    const cuts = this.#secrets.map((secret) => {
      for (let length = Math.min(secret.length - 1, cleaned.length); length >= leastCut; length -= 1)
        if (cleaned.endsWith(secret.slice(0, length))) return length;
      return 0;
    });
    const cut = Math.max(0, ...cuts);
    return cut === 0 ? cleaned : `${cleaned.slice(0, -cut)}***`;
  }

  write(text: string): void {
    const line = this.clean(text);
    this.#file.write(`${line}\n`);
    this.#last.push(line);
    if (this.#last.length > lastLineCount) this.#last.shift();
    this.#listener(line);
  }

  get lastLines(): readonly string[] {
    return [...this.#last];
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#file.destroyed) resolve();
      else this.#file.end(resolve);
    });
  }
}

const lastLineCount = 20;
/** Fewer letters tell nothing, and stand anywhere. */
const leastCut = 4;

/**
 * Runs one program to its end by an argument vector. Its standard input is a pipe that closes when this process
 * ends; it gets no environment but `env`. Throws only when the program cannot be started.
 */
export async function runProcess(
  command: readonly [string, ...string[]],
  options: RunProcessOptions,
): Promise<ProcessOutcome> {
  const {execa} = await import('execa');
  const [file, ...args] = command;
  options.log.commands.push({command, options});
  const child = execa(file, args, {
    ...(options.cwd === undefined ? {} : {cwd: options.cwd}),
    env: {...options.env},
    extendEnv: false,
    buffer: false,
    reject: false,
    cleanup: false,
    detached: true,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  let timedOut = false;
  const kill = (): void => killGroup(child.pid);
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          kill();
        }, options.timeoutMs);
  options.signal.addEventListener('abort', kill, {once: true});
  if (options.signal.aborted) kill();
  const readers = [child.stdout, child.stderr].map(async (stream) => {
    for await (const written of createInterface({input: stream})) {
      const line = options.log.clean(written);
      if (options.onLine?.(line) !== false) options.log.write(line);
    }
  });
  child.stdin.on('error', () => undefined);
  if (options.input !== undefined) child.stdin.write(options.input);
  try {
    const result = await child;
    await Promise.all(readers);
    if (result.exitCode === undefined && result.signal === undefined)
      throw new Error(`Cannot start ${file}`, {cause: result.cause});
    return {command, exitCode: result.exitCode ?? null, signal: result.signal ?? null, timedOut};
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', kill);
  }
}

/** Kills a process group at once: what runs in a sandbox dies with its first process. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, constants.signals.SIGKILL);
  } catch {
    // It has ended already.
  }
}
