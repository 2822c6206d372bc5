import type {Store} from '../../cache/store.ts';
import {diffImages, isSameImage} from '../compare/images.ts';
import {diffRuns, isSameOutcome} from '../compare/runs.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {diffLocks, isSameLock} from '../lock/diff.ts';
import {asKeyParts, diffParts, type Reason} from '../plan/explain.ts';
import {createStyle} from '../ui/style.ts';
import {type Subject, subjectOf} from './diff-subjects.ts';
import {formatImageChanges, formatLockChanges, formatRunChanges} from './diff-text.ts';
import {readStore} from './read-store.ts';

export interface DiffOptions {
  readonly a: string;
  readonly b: string;
  readonly cacheDir: string | undefined;
  /** Whether every path of images is compared, and not only what no package brought. */
  readonly files: boolean;
  readonly json: boolean;
  readonly color: boolean;
}

/** What was found: as lines for people, as a value for programs. */
interface Comparison {
  readonly same: boolean;
  readonly changes: object;
  readonly lines: readonly string[];
}

/** `fgimage diff`: two images, locks or runs compared. As diff(1): 0 where they are the same, 1 where they differ. */
export function runDiff(options: DiffOptions): ExitCode {
  const store = readStore(options.cacheDir);
  try {
    const [a, b] = [options.a, options.b].map((word) => subjectOf(word, {store, files: options.files}));
    if (a === undefined || b === undefined) throw new Error('Two words have given no two subjects');
    const {same, changes, lines} = compare({a, b}, {store, options});
    if (options.json) {
      const body = {version: 1, kind: a.kind, a: a.name, b: b.name, same, changes};
      process.stdout.write(`${JSON.stringify(body, undefined, 2)}\n`);
    } else process.stdout.write(`${lines.join('\n')}\n`);
    return same ? exitCode.done : exitCode.differs;
  } finally {
    store.close();
  }
}

function compare(
  {a, b}: {readonly a: Subject; readonly b: Subject},
  {store, options}: {readonly store: Store; readonly options: DiffOptions},
): Comparison {
  const style = createStyle(options.color);
  const names = {a: a.name, b: b.name};
  if (a.kind === 'image' && b.kind === 'image') {
    for (const {facts} of options.files ? [a, b] : []) {
      if (facts.tree !== undefined) continue;
      throw new FgError('USAGE', `The layers of ${facts.image}/${facts.target} are no longer in the cache`, {
        hint: 'Build it again, or leave out --files: what no package brought is compared without them',
      });
    }
    const changes = diffImages(a.facts, b.facts);
    return {same: isSameImage(changes), changes, lines: formatImageChanges(changes, names, style)};
  }
  if (a.kind === 'lock' && b.kind === 'lock') {
    const changes = diffLocks(a.lock, b.lock);
    return {same: isSameLock(changes), changes, lines: formatLockChanges(changes, names, style)};
  }
  if (a.kind === 'run' && b.kind === 'run') {
    const changes = diffRuns({a: a.facts, b: b.facts}, (stage, keys) => keyReasons(store, stage, keys));
    return {same: isSameOutcome(changes), changes, lines: formatRunChanges(changes, names, style)};
  }
  throw new FgError('USAGE', `Cannot compare ${withArticle(a)} with ${withArticle(b)}`, {
    hint: 'Name two images, two locks or two runs',
  });
}

function withArticle({kind, name}: Subject): string {
  return `${kind === 'image' ? 'an' : 'a'} ${kind} (${name})`;
}

function keyReasons(
  store: Store,
  stage: string,
  keys: {readonly a: string; readonly b: string},
): readonly Reason[] {
  const [was, is] = [asKeyParts(store.keyParts(keys.a)), asKeyParts(store.keyParts(keys.b))];
  if (was === undefined || is === undefined) return [{reason: 'key-schema'}];
  return diffParts(was, is, {node: {id: stage, origins: []}, locate: () => undefined});
}
