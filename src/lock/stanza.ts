import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {promisify} from 'node:util';
import type {Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {cleanEnvironment} from '../sandbox/environment.ts';
import type {Os} from '../spec/image.ts';
import {type BringOptions, type Brought, bringDebs} from './bring.ts';
import {debFileName, type LockedPackage, type LockedSuite} from './lock.ts';
import {wantedDebs} from './wanted.ts';

const run = promisify(execFile);

/**
 * What a package list would say of a package that an archive has dropped, from the package itself, so that it may stay
 * in a lock; undefined where it cannot be had from anywhere.
 */
export async function droppedStanza(
  one: LockedPackage,
  at: {readonly os: Os; readonly root: string; readonly suites: readonly LockedSuite[]},
  options: BringOptions,
): Promise<string | undefined> {
  const {os, root, suites} = at;
  const wanted = wantedDebs({packages: [one], roots: {[one.origin]: root}, os, suites});
  const brought: Result<Brought, StageFailure> = await bringDebs(wanted, options);
  if (!brought.ok) return undefined;
  const {stdout} = await run('dpkg-deb', ['--field', join(options.packages, debFileName(one))], {
    env: cleanEnvironment,
    encoding: 'utf8',
  });
  return `${stdout.trimEnd()}\nFilename: ${one.path}\nSize: ${String(one.size)}\nSHA256: ${one.sha256}\n`;
}
