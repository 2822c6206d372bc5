import {createWriteStream, type WriteStream} from 'node:fs';
import {finished} from 'node:stream/promises';
import {type Check, failed, type Verdict} from './check.ts';
import {ConsoleWatch} from './console.ts';
import {findForwardedPort} from './monitor.ts';
import {type Machine, qemuProgram, type RunningQemu, startQemu} from './qemu.ts';
import {type Facts, LineSplitter, parseGuestLine} from './serial-protocol.ts';
import {missingTool} from './tools.ts';

export interface GuestOptions {
  readonly machine: Machine;
  /** What is booted, for a person: `UEFI`. */
  readonly title: string;
  readonly folder: string;
  readonly logPath: string;
  readonly checks: readonly Check[];
  /** Tried once while the guest runs; absent: nobody logs in. */
  readonly login?: LoginAttempt;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
}

/** A login from this host, by what the guest saw for the checks of one kind. */
export interface LoginAttempt {
  readonly after: string;
  /** `port`: of 127.0.0.1, where the guest's SSH server is had. */
  attempt(facts: Facts, port: number, signal: AbortSignal): Promise<Verdict>;
}

export interface GuestRun extends Ending {
  readonly bootSeconds: number;
  /** What the guest saw, by the index of the check. */
  readonly facts: ReadonlyMap<number, Facts>;
  /** Whether the console asked for a login. */
  readonly prompt: boolean;
  /** How the login ended, where it came to one. */
  readonly login: Verdict | undefined;
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
const promptPatienceMs = 30_000;

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
      guest.listen({qemu, log, end: resolve, fail: reject, signal: abort.signal});
      log.once('error', reject);
      signal.addEventListener('abort', () => reject(abortReason(signal)), {signal: abort.signal});
      const timer = setTimeout(() => resolve(timedOut(timeoutMs)), timeoutMs);
      abort.signal.addEventListener('abort', () => clearTimeout(timer));
      qemu.done.then(({exitCode}) => {
        // What setpriv(1) says of a program that is not there.
        if (exitCode === 127) reject(missingTool(qemuProgram(machine.architecture)));
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
  readonly fail: (error: unknown) => void;
  /** Aborts with the run. */
  readonly signal: AbortSignal;
}

/** What is known of one running guest. */
class Guest {
  readonly #options: GuestOptions;
  readonly #console: ConsoleWatch;
  readonly #facts = new Map<number, Facts>();
  readonly #messages: string[] = [];
  readonly #started = performance.now();
  #bootSeconds: number | undefined;
  #finished = false;
  #login: 'wanted' | 'running' | 'none' | Verdict;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GuestOptions) {
    this.#options = options;
    this.#console = new ConsoleWatch({inCloud: options.login !== undefined});
    this.#login = options.login === undefined ? 'none' : 'wanted';
  }

  /** The ending of a boot that the console has shown to be lost. */
  get lost(): Ending | undefined {
    const reason = this.#console.fatal;
    return reason === undefined ? undefined : {outcome: 'exited', reason};
  }

  listen(listening: Listening): void {
    const {qemu, log, end} = listening;
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
      for (const line of lines.push(chunk)) this.#take(line, listening);
      this.#decide(end);
    });
    // The end of QEMU is told by `done`; a pipe that breaks with it says nothing new.
    for (const stream of [qemu.console, qemu.messages, qemu.results, qemu.monitor])
      stream.on('error', () => undefined);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  found(): Omit<GuestRun, keyof Ending> {
    return {
      bootSeconds: this.#bootSeconds ?? this.#elapsed(),
      facts: this.#facts,
      prompt: this.#console.login,
      login: typeof this.#login === 'object' ? this.#login : undefined,
      lastLines: [...this.#console.lastLines, ...this.#messages.slice(-5)],
    };
  }

  #elapsed(): number {
    return Math.round((performance.now() - this.#started) / 100) / 10;
  }

  #take(line: string, listening: Listening): void {
    const message = parseGuestLine(line);
    if (message === undefined) return;
    const {checks, onProgress} = this.#options;
    if (message.kind === 'hello') onProgress('waiting for systemd');
    if (message.kind === 'end') this.#finished = true;
    if (message.kind !== 'saw' || message.id >= checks.length) return;
    const kind = checks[message.id]?.request.kind;
    if (kind === 'system') this.#bootSeconds = this.#elapsed();
    this.#facts.set(message.id, message.facts);
    onProgress(`checks ${this.#facts.size} of ${checks.length}`);
    if (this.#login === 'wanted' && kind === this.#options.login?.after)
      this.#logIn(message.facts, listening);
  }

  #logIn(facts: Facts, {qemu, end, fail, signal}: Listening): void {
    const {login} = this.#options;
    if (login === undefined) return;
    this.#login = 'running';
    findForwardedPort(qemu.monitor)
      .then((port) => login.attempt(facts, port, signal))
      .then((verdict) => {
        this.#login = verdict;
        this.#decide(end);
      })
      // Of a run that is over, nobody waits for the login.
      .catch((error: unknown) => (signal.aborted || this.lost !== undefined ? undefined : fail(error)));
  }

  #decide(end: (ending: Ending) => void): void {
    const finished: Ending = {outcome: 'finished', reason: 'the guest did not report it'};
    if (this.#finished && this.#login === 'wanted')
      this.#login = failed('the guest did not say who has the key');
    if (this.#finished && this.#login !== 'running') {
      if (this.#console.login) end(finished);
      else this.#timer ??= setTimeout(() => end(finished), promptPatienceMs);
    } else if (this.lost !== undefined)
      this.#timer ??= setTimeout(() => end(this.lost ?? finished), lastWordsMs);
  }
}
