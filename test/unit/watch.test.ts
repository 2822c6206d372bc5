import {mkdirSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {buildWords, formatNote, pollSeconds} from '../../src/cli/watch.ts';
import {type FileChange, FileWatcher, type WatchedInputs, type Watcher} from '../../src/cli/watch-files.ts';
import {type WatchLoop, type WatchPlan, watchLoop} from '../../src/cli/watch-loop.ts';
import type {ExitCode} from '../../src/errors.ts';
import {TemporaryFolder} from '../rig/temporary-folder.ts';

const planOf = (...files: readonly string[]): WatchPlan => ({
  inputs: {files, folders: []},
  running: [],
  blocked: 0,
});

const edited = (path: string): FileChange => ({path, change: 'changed'});

/** A loop whose builds and changes the test ends; `log` is what happened, in order. */
class Trial implements Watcher {
  readonly log: string[] = [];
  readonly #ends = new AbortController();
  readonly #plans: readonly WatchPlan[];
  readonly ended: Promise<ExitCode>;
  #planned = 0;
  #builds = 0;
  #finish: (code: ExitCode) => void = () => undefined;
  #change: (changes: readonly FileChange[]) => void = () => undefined;

  /** `plans`: what each planning gives, the last one for ever. */
  constructor(...plans: readonly WatchPlan[]) {
    this.#plans = plans;
    const loop: WatchLoop = {
      plan: () => {
        const plan = this.#plans[Math.min(this.#planned, this.#plans.length - 1)] ?? planOf();
        this.#planned += 1;
        return Promise.resolve(plan);
      },
      build: (signal) => this.#build(signal),
      changes: this,
      signal: this.#ends.signal,
      tell: (note) => this.log.push(...formatNote(note, '/p')),
    };
    this.ended = watchLoop(loop);
  }

  watch({files}: WatchedInputs): void {
    this.log.push(`watching ${files.join(' ')}`);
  }

  next(signal: AbortSignal): Promise<readonly FileChange[]> {
    return new Promise((resolve) => {
      this.#change = resolve;
      signal.addEventListener('abort', () => resolve([]), {once: true});
    });
  }

  close(): void {
    this.log.push('closed');
  }

  /** Ends the build that runs. */
  async finish(code: ExitCode): Promise<void> {
    this.#finish(code);
    await this.#idle();
  }

  async change(...changes: readonly FileChange[]): Promise<void> {
    this.#change(changes);
    await this.#idle();
  }

  async start(): Promise<void> {
    await this.#idle();
  }

  async cancel(): Promise<ExitCode> {
    this.#ends.abort('SIGINT');
    return this.ended;
  }

  #build(signal: AbortSignal): Promise<ExitCode> {
    this.#builds += 1;
    const number = this.#builds;
    this.log.push(`build ${number}`);
    return new Promise((resolve) => {
      const stop = (): void => {
        this.log.push(`build ${number} told to stop`);
        setImmediate(() => this.#finish(130));
      };
      signal.addEventListener('abort', stop);
      this.#finish = (code) => {
        signal.removeEventListener('abort', stop);
        this.log.push(`build ${number} ended`);
        resolve(code);
      };
    });
  }

  /** Until all that can happen without the test has happened. */
  async #idle(): Promise<void> {
    for (let before = -1; before !== this.log.length; ) {
      before = this.log.length;
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('watchLoop()', () => {
  it('builds, waits for a change, and builds again', async () => {
    const trial = new Trial(planOf('/p/fgimage.yaml', '/p/setup.sh'));
    await trial.start();
    await trial.finish(0);
    await trial.change(edited('/p/setup.sh'));
    await trial.finish(1);
    expect(await trial.cancel()).toBe(130);
    expect(trial.log).toEqual([
      'watching /p/fgimage.yaml /p/setup.sh',
      'build 1',
      'build 1 ended',
      'watch: waiting for a change of 2 files; Ctrl-C ends',
      'watch: setup.sh changed',
      'watching /p/fgimage.yaml /p/setup.sh',
      'build 2',
      'build 2 ended',
      'watch: waiting for a change of 2 files; Ctrl-C ends',
    ]);
  });

  it('stops a build whose inputs change, and starts the next one when it has ended', async () => {
    const trial = new Trial(planOf('/p/setup.sh'));
    await trial.start();
    await trial.change(edited('/p/setup.sh'), {path: '/p/new', change: 'added'});
    await trial.finish(0);
    expect(await trial.cancel()).toBe(130);
    expect(trial.log).toEqual([
      'watching /p/setup.sh',
      'build 1',
      'watch: setup.sh changed, new added; stopping the build',
      'build 1 told to stop',
      'build 1 ended',
      'watching /p/setup.sh',
      'build 2',
      'build 2 ended',
      'watch: waiting for a change of 1 file; Ctrl-C ends',
    ]);
  });

  it('ends after the build that was cancelled with it', async () => {
    const trial = new Trial(planOf('/p/setup.sh'));
    await trial.start();
    expect(await trial.cancel()).toBe(130);
    expect(trial.log).toEqual(['watching /p/setup.sh', 'build 1', 'build 1 told to stop', 'build 1 ended']);
  });

  it('builds again when the build read a spec that names other files than the plan did', async () => {
    const trial = new Trial(planOf('/p/a'), planOf('/p/a', '/p/b'));
    await trial.start();
    await trial.finish(0);
    await trial.finish(0);
    await trial.cancel();
    expect(trial.log).toEqual([
      'watching /p/a',
      'build 1',
      'build 1 ended',
      'watching /p/a /p/b',
      'build 2',
      'build 2 ended',
      'watch: waiting for a change of 2 files; Ctrl-C ends',
    ]);
  });

  it('fails as a build does that cannot be started', async () => {
    const loop = watchLoop({
      plan: () => Promise.resolve(planOf('/p/a')),
      build: () => Promise.reject(new Error('no such program')),
      changes: {
        watch: () => undefined,
        next: (signal) =>
          new Promise((resolve) => signal.addEventListener('abort', () => resolve([]), {once: true})),
        close: () => undefined,
      },
      signal: new AbortController().signal,
      tell: () => undefined,
    });
    await expect(loop).rejects.toThrow('no such program');
  });
});

/** What a watcher tells after an edit, as `name change`. */
async function told(
  project: TemporaryFolder,
  watcher: FileWatcher,
  edit: () => void,
): Promise<readonly string[]> {
  const changes = watcher.next(new AbortController().signal);
  edit();
  return (await changes).map(({path, change}) => `${path.slice(project.path.length + 1)} ${change}`).sort();
}

describe.each([
  ['by events of the kernel', {quietMs: 2}],
  ['by looking', {quietMs: 2, pollMs: 2}],
])('FileWatcher, %s', (_, options) => {
  it('tells of files that were edited, replaced, removed and made', async () => {
    using project = new TemporaryFolder({'fgimage.yaml': 'a', 'scripts/setup.sh': 'a', other: ''});
    const watcher = new FileWatcher(options);
    try {
      const files = ['fgimage.yaml', 'scripts/setup.sh', 'scripts/later.sh'].map((name) =>
        project.join(name),
      );
      watcher.watch({files, folders: []});
      const edits: readonly [string, () => void][] = [
        ['fgimage.yaml changed', () => writeFileSync(project.join('fgimage.yaml'), 'longer')],
        ['scripts/setup.sh changed', () => replace(project, 'scripts/setup.sh')],
        ['scripts/setup.sh removed', () => rmSync(project.join('scripts/setup.sh'))],
        ['scripts/later.sh added', () => project.write({'scripts/later.sh': '', other: 'changed'})],
        ['scripts/later.sh removed', () => rmSync(project.join('scripts'), {recursive: true})],
        ['scripts/later.sh added', () => project.write({'scripts/later.sh': 'again'})],
        ['scripts/later.sh changed', () => project.write({'scripts/later.sh': 'and again'})],
      ];
      for (const [expected, edit] of edits) expect(await told(project, watcher, edit)).toEqual([expected]);
    } finally {
      watcher.close();
    }
  });

  it('tells of whatever comes into a folder, at any depth, but not of what is ignored', async () => {
    using project = new TemporaryFolder({'site/index.html': '', 'site/out/x': ''});
    const watcher = new FileWatcher({...options, ignored: [project.join('site/out')]});
    try {
      watcher.watch({files: [], folders: [project.join('site')]});
      const made = () => project.write({'site/out/x': 'new', 'site/css/dark/a.css': '', 'site/b': ''});
      expect(await told(project, watcher, made)).toEqual(['site/b added', 'site/css/dark/a.css added']);
      const below = () => project.write({'site/out/x': 'newer', 'site/css/dark/a.css': 'p {}'});
      expect(await told(project, watcher, below)).toEqual(['site/css/dark/a.css changed']);
    } finally {
      watcher.close();
    }
  });

  it('tells what changed while nobody asked, also after it was given other inputs', async () => {
    using project = new TemporaryFolder({a: '', b: '', c: '', 'site/x': ''});
    const watcher = new FileWatcher(options);
    try {
      const files = ['a', 'b'].map((name) => project.join(name));
      const folders = [project.join('site')];
      watcher.watch({files, folders});
      project.write({a: 'edited', c: 'edited', 'site/y': ''});
      rmSync(project.join('b'));
      watcher.watch({files: [...files, project.join('c')], folders});
      expect(await told(project, watcher, () => undefined)).toEqual([
        'a changed',
        'b removed',
        'site/y added',
      ]);
    } finally {
      watcher.close();
    }
  });

  it('gives nothing when it is cancelled, before or while it waits', async () => {
    using project = new TemporaryFolder({a: ''});
    const watcher = new FileWatcher(options);
    try {
      watcher.watch({files: [project.join('a')], folders: []});
      expect(await watcher.next(AbortSignal.abort())).toEqual([]);
      const controller = new AbortController();
      const waiting = watcher.next(controller.signal);
      controller.abort();
      expect(await waiting).toEqual([]);
    } finally {
      watcher.close();
    }
  });
});

describe('FileWatcher', () => {
  it('hears of a file for which there is no folder yet', async () => {
    using project = new TemporaryFolder();
    mkdirSync(project.join('deep'));
    const watcher = new FileWatcher({quietMs: 2});
    try {
      watcher.watch({files: [project.join('deep/er/file')], folders: []});
      const made = () => project.write({'deep/er/file': ''});
      expect(await told(project, watcher, made)).toEqual(['deep/er/file added']);
    } finally {
      watcher.close();
    }
  });
});

describe('buildWords()', () => {
  it.each([
    [['watch'], ['build']],
    [
      ['watch', 'web', '--poll', '-t', 'hpc'],
      ['build', 'web', '-t', 'hpc'],
    ],
    [
      ['watch', '--poll', '5', 'web'],
      ['build', 'web'],
    ],
    [
      ['watch', 'watch', '--poll=0.5'],
      ['build', 'watch'],
    ],
  ])('makes of %j %j', (words, expected) => {
    expect(buildWords(words, {first: true})).toEqual(expected);
  });

  it('asks the archives for newer packages once', () => {
    expect(buildWords(['watch', '--refresh'], {first: true})).toEqual(['build', '--refresh']);
    expect(buildWords(['watch', '--refresh'], {first: false})).toEqual(['build']);
  });
});

describe('pollSeconds()', () => {
  it('takes seconds, two where none are said', () => {
    expect(pollSeconds(undefined)).toEqual({});
    expect(pollSeconds(true)).toEqual({pollMs: 2000});
    expect(pollSeconds(0.5)).toEqual({pollMs: 500});
  });

  it.each([['web'], [0], [-1], [1e9], [[1, 2]]])('refuses %j', (value) => {
    expect(() => pollSeconds(value)).toThrow(expect.objectContaining({code: 'USAGE'}));
  });
});

describe('formatNote()', () => {
  it('names the stages that will run, and those behind them', () => {
    const running = ['customize:web/provision-1', 'customize:db/packages', 'a:1', 'a:2', 'a:3'];
    const plan = {inputs: {files: [], folders: []}, running, blocked: 7};
    expect(formatNote({type: 'building', plan}, '/p')).toEqual([
      'watch: to run: customize:web/provision-1, customize:db/packages, a:1, and 2 more, then up to 7 stages behind',
    ]);
  });

  it('says what is watched, folders too', () => {
    const plan = {inputs: {files: ['/p/a'], folders: ['/p/site', '/p/b']}, running: [], blocked: 0};
    expect(formatNote({type: 'waiting', plan, code: 0}, '/p')).toEqual([
      'watch: waiting for a change of 1 file and 2 folders; Ctrl-C ends',
    ]);
  });

  it('prints no control characters of file names', () => {
    const changes = ['/p/a\u001B[31m', '/p/b', '/p/c', '/p/d', '/p/e'].map(edited);
    expect(formatNote({type: 'changed', changes}, '/p')).toEqual([
      'watch: a changed, b changed, c changed, and 2 more',
    ]);
  });
});

function replace(project: TemporaryFolder, name: string): void {
  project.write({[`${name}.new`]: 'new'});
  renameSync(project.join(`${name}.new`), project.join(name));
}
