import {type ChildProcess, spawn} from 'node:child_process';
import {chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {cacheLayout} from '../../cache/layout.ts';
import type {RunEvent} from '../../src/run/events.ts';
import {compiled} from './compiled.ts';
import {TemporaryFolder} from './temporary-folder.ts';
import {until} from './until.ts';

export interface RigOptions {
  /** Added to the environment of fgimage. */
  readonly env?: Readonly<Record<string, string>>;
  /** The folder it is started in, below the rig's. */
  readonly cwd?: string;
  /** Put before node: what fgimage is started by. */
  readonly by?: readonly string[];
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The real, compiled fgimage in a folder of its own: project, cache, HOME, temporary files and a folder of programs
 * that comes first in PATH. Nothing of the caller's environment reaches it. All is gone at the end of the scope.
 */
export class Rig {
  readonly #folder = new TemporaryFolder();
  readonly #running: RunningFgimage[] = [];

  constructor(files: Readonly<Record<string, string>> = {}) {
    for (const name of ['project', 'bin', 'home', 'tmp']) mkdirSync(this.join(name));
    this.write(files);
  }

  get cache(): string {
    return this.join('cache');
  }

  get project(): string {
    return this.join('project');
  }

  /** PATH of fgimage. */
  get path(): string {
    return `${this.join('bin')}:/usr/sbin:/usr/bin:/sbin:/bin`;
  }

  join(...names: readonly string[]): string {
    return this.#folder.join(...names);
  }

  /** Writes files of the project. */
  write(files: Readonly<Record<string, string>>): void {
    this.#folder.write(
      Object.fromEntries(Object.entries(files).map(([name, text]) => [`project/${name}`, text])),
    );
  }

  /** Puts a script for /bin/sh in the place of a program of the host. */
  fakeTool(name: string, script: string): void {
    const path = this.join('bin', name);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  start(words: readonly string[], {env = {}, cwd = 'project', by = []}: RigOptions = {}): RunningFgimage {
    const [file = process.execPath, ...rest] = [
      ...by,
      process.execPath,
      compiled('src/cli/main.js'),
      ...words,
    ];
    const child = spawn(file, rest, {
      cwd: this.join(cwd),
      env: {
        PATH: this.path,
        HOME: this.join('home'),
        TMPDIR: this.join('tmp'),
        FGIMAGE_CACHE: this.cache,
        LC_ALL: 'C.UTF-8',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const running = new RunningFgimage(child);
    this.#running.push(running);
    return running;
  }

  run(words: readonly string[], options: RigOptions = {}): Promise<Ended> {
    return this.start(words, options).ended;
  }

  /** Names of what lies in a folder of the cache. */
  cached(folder: 'objects' | 'tmp' | 'locks' | 'logs' | 'packages'): readonly string[] {
    const path = cacheLayout(this.cache)[folder];
    return existsSync(path) ? readdirSync(path).sort() : [];
  }

  /** Lines of a file in the rig's folder; none while it is not there. */
  lines(name: string): readonly string[] {
    const path = this.join(name);
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
  }

  /** Processes that were started with a path of this rig: fgimage and all that it runs, in whatever namespace. */
  processes(): readonly string[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        try {
          const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
          return words.includes(this.#folder.path) ? [`${pid} ${words}`] : [];
        } catch {
          return []; // It has ended meanwhile.
        }
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) running.kill('SIGKILL');
    await Promise.all(this.#running.map(({ended}) => ended));
    await until(() => this.processes().length === 0, {what: `the end of ${this.processes().join('; ')}`});
    this.#folder[Symbol.dispose]();
  }
}

export class RunningFgimage {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) =>
        resolve({code, signal, stdout: this.#stdout, stderr: this.#stderr}),
      );
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The events so far of a run with `--json`. */
  get events(): readonly RunEvent[] {
    return eventsOf(this.#stdout);
  }
}

/** Events of what a run with `--json` printed. */
export function eventsOf(stdout: string): readonly RunEvent[] {
  const lines = stdout.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as RunEvent);
}

type StageEvent = Exclude<Extract<RunEvent, {readonly stage: string}>, {readonly type: 'warning'}>;

/** The stages that events of one type name, in their order. */
export function stagesOf(events: readonly RunEvent[], type: StageEvent['type']): readonly string[] {
  return events.flatMap((event) => (event.type === type && 'stage' in event ? [event.stage] : []));
}
