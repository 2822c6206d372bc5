import {type ChildProcess, spawn} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {dirname, join, relative, resolve} from 'node:path';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {fileSystemOf} from '../host/file-system.ts';
import {copiedFolders} from '../plan/fingerprint.ts';
import {failedSinceVariable} from '../run/history.ts';
import {formatCount, printable} from '../ui/format.ts';
import {cancelOnSignals} from './cancel.ts';
import {openSession, peekSession, type Session, type SessionOptions} from './session.ts';
import {defaultPollMs, type FileChange, FileWatcher, type WatchedInputs} from './watch-files.ts';
import {type WatchNote, type WatchPlan, watchLoop} from './watch-loop.ts';

export interface WatchOptions extends SessionOptions {
  /** How often to look by ourselves; absent: when the kernel tells of a change. */
  readonly pollMs?: number;
}

/**
 * `fgimage watch`: builds, and builds again whenever something that the build reads has changed, until it is cancelled.
 * Each build is a process of its own, `fgimage build` with the options of this one; what is said here goes to standard
 * error. Throws `FgError` for what a user can mend, but not for mistakes in the spec, which the build tells.
 */
export async function runWatch({pollMs, ...session}: WatchOptions): Promise<ExitCode> {
  const project = dirname(resolve(session.file));
  const builds = new Builds(process.argv.slice(2));
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  using ends = cancelOnSignals((signal) => builds.kill(signal));
  const watcher = new FileWatcher({
    pollMs: pollMs ?? networkPollMs(project, say),
    ignored: [resolve(session.output), cacheFolder(session.cacheDir)],
    onPolling: (reason) =>
      say(`watch: looking every 2 s, since the kernel watches no more folders (${printable(reason)})`),
  });
  let known: WatchedInputs = {files: [], folders: []};
  try {
    return await watchLoop({
      plan: async () => {
        const planned = await planWatch(session, {known, signal: ends.signal});
        known = planned.inputs;
        return planned;
      },
      build: (signal) => builds.start(signal),
      changes: watcher,
      signal: ends.signal,
      tell: (note) => {
        for (const line of formatNote(note, project)) say(line);
      },
    });
  } finally {
    watcher.close();
  }
}

/** The value of `--poll [seconds]`: a number of seconds, or `true` where none is said. Throws `FgError` for others. */
export function pollSeconds(value: unknown): {readonly pollMs?: number} {
  if (value === undefined) return {};
  if (value === true) return {pollMs: defaultPollMs};
  if (typeof value === 'number' && value >= 0.1 && value <= 86_400) return {pollMs: value * 1000};
  throw new FgError(
    'USAGE',
    `--poll wants seconds, from 0.1 to a day, not ${printable(JSON.stringify(value))}`,
    {
      hint: 'Write the images before it: fgimage watch web --poll 5',
    },
  );
}

/** What the build of now would read and run. The build itself tells what is wrong with a spec. */
async function planWatch(
  options: SessionOptions,
  {known, signal}: {known: WatchedInputs; signal: AbortSignal},
): Promise<WatchPlan> {
  let session: Session | undefined;
  try {
    session = await openSession(options, {look: true, warn: () => undefined});
    const states = [...(await peekSession(session, signal))];
    return {
      inputs: inputsOf(session),
      running: states.flatMap(([stage, {state}]) => (state === 'run' ? [stage] : [])),
      blocked: states.filter(([, {state}]) => state === 'blocked').length,
    };
  } catch (error) {
    if (!(error instanceof FgError) && !signal.aborted) throw error;
    // What mends a spec may be in any file that it extends, and in what it lacks.
    const spec = resolve(options.file);
    const files = new Set([...known.files, spec, ...specsBeside(spec)]);
    return {inputs: {files: [...files].sort(), folders: known.folders}, running: [], blocked: 0};
  } finally {
    session?.store.close();
  }
}

function inputsOf({spec, plan, options}: Session): WatchedInputs {
  const wanted = new Set(plan.deliveries.map(({image}) => image.name));
  const copies = spec.images.filter(({name}) => wanted.has(name)).flatMap(({copy}) => copy);
  const folders = [
    ...copiedFolders(spec.projectDir, copies),
    ...plan.nodes.flatMap(({step}) => step?.folders ?? []),
  ].map((folder) => join(spec.projectDir, folder));
  const files = [
    resolve(options.file),
    ...spec.files.map(({path}) => resolve(path)),
    ...plan.nodes.flatMap((node) => Object.keys(node.files).map((path) => join(spec.projectDir, path))),
  ];
  return {files: [...new Set(files)].sort(), folders: [...new Set(folders)].sort()};
}

function specsBeside(spec: string): readonly string[] {
  const folder = dirname(spec);
  try {
    return readdirSync(folder)
      .filter((name) => /\.ya?ml$/.test(name))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** Other machines' changes on a network file system are no events here. */
function networkPollMs(project: string, say: (line: string) => void): number | undefined {
  const found = fileSystemOf(project);
  if (found?.network !== true) return undefined;
  say(`watch: looking every 2 s, since the project is on a network file system (${found.type})`);
  return defaultPollMs;
}

/** The builds, one at a time. */
class Builds {
  readonly #words: readonly string[];
  readonly #since = Date.now();
  #child: ChildProcess | undefined;
  #first = true;

  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /** Runs a build; the signal ends it in good order. */
  async start(signal: AbortSignal): Promise<ExitCode> {
    if (signal.aborted) return exitCode.cancelled;
    const words = buildWords(this.#words, {first: this.#first});
    this.#first = false;
    const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...words], {
      stdio: 'inherit',
      env: {...process.env, [failedSinceVariable]: String(this.#since)},
    });
    this.#child = child;
    const cancel = (): void => {
      // A terminal's Ctrl-C reaches the build as well, and a second signal would end it at once.
      if (signal.reason !== 'SIGINT' || !process.stdin.isTTY) child.kill('SIGTERM');
    };
    signal.addEventListener('abort', cancel, {once: true});
    try {
      return await new Promise<ExitCode>((done, failed) => {
        child.once('error', failed);
        child.once('exit', (code) => done(exitCodeFrom(code)));
      });
    } finally {
      signal.removeEventListener('abort', cancel);
      this.#child = undefined;
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }
}

/** The command line of a build; archives are asked for newer packages by the first one only. */
export function buildWords(words: readonly string[], {first}: {first: boolean}): readonly string[] {
  const at = words.indexOf('watch');
  return words
    .map((word, index) => (index === at ? 'build' : word))
    .filter((word, index) => {
      if (word === '--poll' || word.startsWith('--poll=')) return false;
      if (words[index - 1] === '--poll' && /^\d+(?:\.\d+)?$/.test(word)) return false;
      return first || word !== '--refresh';
    });
}

/** A build that was killed has been cancelled. */
function exitCodeFrom(code: number | null): ExitCode {
  return Object.values(exitCode).find((known) => known === code) ?? exitCode.cancelled;
}

/** What the loop tells, as lines. Names of files are relative to the project. */
export function formatNote(note: WatchNote, project: string): readonly string[] {
  switch (note.type) {
    case 'changed':
      return [`watch: ${formatChanges(note.changes, project)}`];
    case 'stopping':
      return [`watch: ${formatChanges(note.changes, project)}; stopping the build`];
    case 'building': {
      const {running, blocked} = note.plan;
      if (running.length === 0) return [];
      const stages = truncated(running.map(printable));
      return [
        `watch: to run: ${stages}${blocked === 0 ? '' : `, then up to ${formatCount(blocked, 'stage')} behind`}`,
      ];
    }
    case 'waiting': {
      const {files, folders} = note.plan.inputs;
      const where = folders.length === 0 ? '' : ` and ${formatCount(folders.length, 'folder')}`;
      return [`watch: waiting for a change of ${formatCount(files.length, 'file')}${where}; Ctrl-C ends`];
    }
  }
}

function formatChanges(changes: readonly FileChange[], project: string): string {
  return truncated(changes.map(({path, change}) => `${printable(relative(project, path))} ${change}`));
}

const listed = 3;

function truncated(texts: readonly string[]): string {
  const rest = texts.length - listed;
  return `${texts.slice(0, listed).join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`;
}
