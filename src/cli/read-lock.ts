import {basename} from 'node:path';
import type {LockRoot} from '../../cache/lock-roots.ts';
import type {Store} from '../../cache/store.ts';
import {sha256} from '../../cache/tree.ts';
import {FgError} from '../errors.ts';
import type {Lock} from '../lock/lock.ts';
import {lockPathOf, lockText} from '../lock/path.ts';
import {packageVersion} from '../package-root.ts';

/** A lock and the file that it was read from. */
export interface ReadLock {
  readonly path: string;
  /** SHA-256 of the file. */
  readonly digest: string;
  readonly lock: Lock;
}

/** What gc keeps for a lock. */
export function lockRoot({path, digest, lock}: ReadLock): LockRoot {
  const packages = Object.values(lock.archives).flatMap((archive) => archive.packages);
  return {path, digest, packages: packages.map(({sha256: one}) => one)};
}

/** The spec asks for something that the lock has no answer to. Exit code 5. */
export class StaleLock extends FgError {
  /** What has moved on, one line each. */
  readonly problems: readonly string[];

  constructor(path: string, problems: readonly string[]) {
    const shown = problems.slice(0, mostShown).map((problem) => `\n  ${problem}`);
    const more = problems.length > mostShown ? `\n  and ${String(problems.length - mostShown)} more` : '';
    super('LOCK_STALE', `${basename(path)} does not answer the spec any more:${shown.join('')}${more}`, {
      hint: 'Run "fgimage lock": it keeps what is locked and adds what is missing',
    });
    this.problems = problems;
  }
}

const mostShown = 20;

/** The lock beside a spec for its profiles, where one is to be used; throws `FgError` for one that must be there and is not. */
export async function readLock(
  {file, profiles}: {readonly file: string; readonly profiles: readonly string[]},
  {useLock, locked, store}: {useLock: boolean; locked: boolean; store: Store},
): Promise<ReadLock | undefined> {
  if (!useLock) {
    if (locked)
      throw new FgError('USAGE', '--locked and --no-lock contradict each other', {
        hint: 'Leave one of them out',
      });
    return undefined;
  }
  const path = lockPathOf(file, profiles);
  const text = lockText(path);
  if (text === undefined) {
    if (!locked) return undefined;
    throw new FgError('LOCK_STALE', `There is no ${basename(path)} beside the spec`, {
      hint: 'Make it with "fgimage lock"',
    });
  }
  return await parseWithMemory(text, path, store);
}

/** YAML takes its time: what a file of these bytes says is remembered. */
async function parseWithMemory(text: string, path: string, store: Store): Promise<ReadLock> {
  const digest = sha256(text);
  const memo = `lock:${packageVersion()}:${digest}`;
  const known = store.memo(memo);
  if (known !== undefined) return {path, digest, lock: JSON.parse(known) as Lock};
  const {parseLock} = await import('../lock/file.ts');
  const lock = parseLock(text, path);
  store.setMemo(memo, JSON.stringify(lock));
  return {path, digest, lock};
}
