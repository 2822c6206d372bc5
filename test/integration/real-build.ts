import {type ChildProcess, spawn} from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {inject} from 'vitest';
import {packageRoot} from '../../src/package-root.ts';
import type {CheckResult, RunEvent} from '../../src/run/events.ts';

/** A project of its own with a cache of its own, for builds by the compiled command. */
export class Project {
  readonly folder: string;
  readonly cache: string;

  constructor(name: string) {
    this.folder = join(inject('testRoot'), name);
    this.cache = join(this.folder, 'cache');
    mkdirSync(this.cache, {recursive: true});
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(this.folder, path, '..'), {recursive: true});
      writeFileSync(join(this.folder, path), content);
    }
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8');
  }

  json(path: string): unknown {
    return JSON.parse(this.read(path));
  }

  /** Fills the package cache with what earlier builds of this test run fetched. */
  sharePackages(): void {
    mkdirSync(join(this.cache, 'packages'), {recursive: true});
    for (const name of readdirSync(sharedPackages()).filter((one) => one.endsWith('.deb'))) {
      const target = join(this.cache, 'packages', name);
      if (!existsSync(target)) copyFileSync(join(sharedPackages(), name), target);
    }
  }

  /** Hands what this project fetched to later builds. */
  keepPackages(): void {
    const own = join(this.cache, 'packages');
    for (const name of readdirSync(own)) {
      // Tests that run beside this one must not see half of it.
      const whole = join(sharedPackages(), name);
      const part = `${whole}.${String(process.pid)}`;
      copyFileSync(join(own, name), part);
      renameSync(part, whole);
    }
  }

  /** Starts `fgimage <words>` with `--cache-dir`; `as` is a user and group id, `by` what starts it. */
  start(
    words: readonly string[],
    {as, by = []}: {as?: number | undefined; by?: readonly string[]} = {},
  ): Running {
    const command = ['node', join(packageRoot, 'dist/src/cli/main.js'), ...words, '--cache-dir', this.cache];
    const user =
      as === undefined
        ? []
        : ['setpriv', `--reuid=${String(as)}`, `--regid=${String(as)}`, '--clear-groups', '--'];
    const [file = '', ...args] = [...by, ...user, ...command];
    const env = {PATH: process.env['PATH'] ?? '', HOME: this.folder, TMPDIR: process.env['TMPDIR'] ?? '/tmp'};
    return new Running(spawn(file, args, {cwd: this.folder, env, stdio: ['ignore', 'pipe', 'pipe']}));
  }

  /** Runs `fgimage build --json` to its end. */
  async build(
    words: readonly string[] = [],
    options: {as?: number | undefined; by?: readonly string[]} = {},
  ): Promise<BuildResult> {
    const running = this.start(['build', '--json', ...words], options);
    const code = await running.end;
    return new BuildResult(code, running.stdout, running.stderr);
  }
}

/** A running command and what it has printed so far. */
export class Running {
  readonly process: ChildProcess;
  readonly end: Promise<number | null>;
  stdout = '';
  stderr = '';
  readonly #waiting: {test: (line: string) => boolean; resolve: (found: boolean) => void}[] = [];

  constructor(child: ChildProcess) {
    this.process = child;
    if (child.stdout === null || child.stderr === null) throw new Error('The command has no output');
    const reading = (async () => {
      for await (const line of createInterface({input: child.stdout ?? process.stdin})) {
        this.stdout += `${line}\n`;
        for (const one of this.#waiting) if (one.test(line)) one.resolve(true);
      }
    })();
    child.stderr.on('data', (data: Buffer) => {
      this.stderr += data.toString();
    });
    const exit = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    this.end = Promise.all([exit, reading]).then(([code]) => {
      for (const one of this.#waiting) one.resolve(false);
      return code;
    });
  }

  /** Whether a line comes, of those still to be printed, for which `test` holds. */
  line(test: (line: string) => boolean): Promise<boolean> {
    return new Promise((resolve) => this.#waiting.push({test, resolve}));
  }
}

/** What a build with `--json` told. */
export class BuildResult {
  readonly code: number | null;
  readonly events: readonly RunEvent[];
  readonly stderr: string;

  constructor(code: number | null, stdout: string, stderr: string) {
    this.code = code;
    this.events = stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as RunEvent);
    this.stderr = stderr;
  }

  stages(type: 'stage-finished' | 'stage-cached' | 'stage-failed' | 'stage-skipped'): readonly string[] {
    return this.events.flatMap((event) => (event.type === type ? [event.stage] : []));
  }

  /** What the boots found, those of one stage or all. */
  checks(stage?: string): readonly CheckResult[] {
    return this.events.flatMap((event) =>
      event.type === 'stage-finished' && (stage === undefined || event.stage === stage)
        ? (event.checks ?? [])
        : [],
    );
  }

  digests(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.events.flatMap((event) =>
        event.type === 'stage-finished' || event.type === 'stage-cached' ? [[event.stage, event.digest]] : [],
      ),
    );
  }

  /** What to show when a test fails. */
  get told(): string {
    return `${this.events.flatMap((event) => (event.type === 'stage-failed' ? [JSON.stringify(event)] : [])).join('\n')}\n${this.stderr}`;
  }
}

function sharedPackages(): string {
  return join(inject('testRoot'), 'packages');
}
