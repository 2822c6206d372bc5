import {createWriteStream, type WriteStream} from 'node:fs';
import {finished} from 'node:stream/promises';
import type {Check} from './check.ts';
import {ConsoleWatch} from './console.ts';
import {type Machine, type RunningQemu, startQemu} from './qemu.ts';
import {type Facts, LineSplitter, parseGuestLine} from './serial-protocol.ts';
import {missingTool} from './tools.ts';

export interface GuestOptions {
  readonly machine: Machine;
  /** What is booted, for a person: `UEFI`. */
  readonly title: string;
  readonly folder: string;
  readonly logPath: string;
  readonly checks: readonly Check[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

export interface GuestRun extends Ending {
  readonly bootSeconds: number;
  /** What the guest saw, by the index of the check. */
  readonly facts: ReadonlyMap<number, Facts>;
  readonly login: boolean;
  readonly lastLines: readonly string[];
}

interface Ending {
  readonly outcome: 'finished' | 'timed-out' | 'exited';
  /** Why checks may be without a result. */
  readonly reason: string;
}

/** How long a lost boot is still listened to, for the lines that say why. */
const lastWordsMs = 3000;

/** How long the login prompt may come after everything else. */
const loginPatienceMs = 30_000;

/** Runs a guest until it has told everything, is lost, or the time is over; it is killed in any case. */
export async function runGuest(options: GuestOptions): Promise<GuestRun> {
  const {machine, folder, logPath, signal, timeoutMs, title, onProgress} = options;
  const log = createWriteStream(logPath, {flags: 'a'});
  const qemu = startQemu(machine, folder);
  const guest = new Guest(options);
  const abort = new AbortController();
  onProgress(`booting (${title})`);
  try {
    const ending = await new Promise<Ending>((resolve, reject) => {
      guest.listen({qemu, log, end: resolve});
      log.once('error', reject);
      signal.addEventListener('abort', () => reject(abortReason(signal)), {signal: abort.signal});
      const timer = setTimeout(() => resolve(timedOut(timeoutMs)), timeoutMs);
      abort.signal.addEventListener('abort', () => clearTimeout(timer));
      qemu.done.then(({exitCode}) => {
        // What setpriv(1) says of a program that is not there.
        if (exitCode === 127) reject(missingTool('qemu-system-x86_64'));
        else resolve(guest.lost ?? exited(exitCode));
      }, reject);
      if (signal.aborted) reject(abortReason(signal));
    });
    return {...ending, ...guest.found()};
  } finally {
    abort.abort();
    guest.close();
    qemu.kill();
    // Its failure to start has already been thrown.
    await qemu.done.catch(() => undefined);
    log.end();
    await finished(log).catch(() => undefined);
  }
}

function abortReason({reason}: AbortSignal): Error {
  return reason instanceof Error ? reason : new Error('The boot test was cancelled', {cause: reason});
}

function timedOut(timeoutMs: number): Ending {
  return {outcome: 'timed-out', reason: `nothing more came within ${Math.round(timeoutMs / 1000)} s`};
}

function exited(exitCode: number | null): Ending {
  const reason =
    exitCode === 0 ? 'the guest shut down or restarted' : `QEMU ended with exit code ${exitCode ?? 'none'}`;
  return {outcome: 'exited', reason};
}

interface Listening {
  readonly qemu: RunningQemu;
  readonly log: WriteStream;
  readonly end: (ending: Ending) => void;
}

/** What is known of one running guest. */
class Guest {
  readonly #options: GuestOptions;
  readonly #console = new ConsoleWatch();
  readonly #facts = new Map<number, Facts>();
  readonly #messages: string[] = [];
  readonly #started = performance.now();
  #bootSeconds: number | undefined;
  #finished = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GuestOptions) {
    this.#options = options;
  }

  /** The ending of a boot that the console has shown to be lost. */
  get lost(): Ending | undefined {
    const reason = this.#console.fatal;
    return reason === undefined ? undefined : {outcome: 'exited', reason};
  }

  listen({qemu, log, end}: Listening): void {
    const lines = new LineSplitter();
    qemu.console.on('data', (chunk: Buffer) => {
      log.write(chunk);
      const progress = this.#console.push(chunk);
      if (progress !== undefined) this.#options.onProgress(progress);
      this.#decide(end);
    });
    qemu.messages.on('data', (chunk: Buffer) => {
      log.write(chunk);
      this.#messages.push(...chunk.toString('utf8').trim().split('\n'));
    });
    qemu.results.on('data', (chunk: Buffer) => {
      for (const line of lines.push(chunk)) this.#take(line);
      this.#decide(end);
    });
    // The end of QEMU is told by `done`; a pipe that breaks with it says nothing new.
    for (const stream of [qemu.console, qemu.messages, qemu.results]) stream.on('error', () => undefined);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  found(): Omit<GuestRun, keyof Ending> {
    return {
      bootSeconds: this.#bootSeconds ?? this.#elapsed(),
      facts: this.#facts,
      login: this.#console.login,
      lastLines: [...this.#console.lastLines, ...this.#messages.slice(-5)],
    };
  }

  #elapsed(): number {
    return Math.round((performance.now() - this.#started) / 100) / 10;
  }

  #take(line: string): void {
    const message = parseGuestLine(line);
    if (message === undefined) return;
    const {checks, onProgress} = this.#options;
    if (message.kind === 'hello') onProgress('waiting for systemd');
    if (message.kind === 'end') this.#finished = true;
    if (message.kind !== 'saw' || message.id >= checks.length) return;
    if (checks[message.id]?.request.kind === 'system') this.#bootSeconds = this.#elapsed();
    this.#facts.set(message.id, message.facts);
    onProgress(`checks ${this.#facts.size} of ${checks.length}`);
  }

  #decide(end: (ending: Ending) => void): void {
    const finished: Ending = {outcome: 'finished', reason: 'the guest did not report it'};
    if (this.#finished && this.#console.login) end(finished);
    else if (this.#finished) this.#timer ??= setTimeout(() => end(finished), loginPatienceMs);
    else if (this.lost !== undefined)
      this.#timer ??= setTimeout(() => end(this.lost ?? finished), lastWordsMs);
  }
}
