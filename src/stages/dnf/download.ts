import {copyFileSync, lstatSync, mkdirSync, realpathSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {parseFetchError, publicUri} from '../../lock/bring-download.ts';
import {runProcess} from '../../sandbox/process.ts';
import {hostAptOptions, hostEnvironment, tied} from '../host-command.ts';
import type {StageContext} from '../stage.ts';

/** A file whose digest nobody knows beforehand. */
export interface UnknownFile {
  readonly uri: string;
  readonly path: string;
}

/** Downloads files by the host's apt, as `downloadFiles` does those with a digest. Gives what went wrong first. */
export async function downloadUnknown(
  files: readonly UnknownFile[],
  {work, log, signal}: Pick<StageContext, 'work' | 'log' | 'signal'>,
): Promise<string | undefined> {
  const folder = join(work, 'unknown');
  rmSync(folder, {recursive: true, force: true});
  mkdirSync(folder, {recursive: true});
  const pairs = files.flatMap(({uri}, index) => [uri, join(folder, String(index))]);
  const reasons: string[] = [];
  await runProcess(
    tied('/usr/lib/apt/apt-helper', ...hostAptOptions(join(work, 'apt')), 'download-file', ...pairs),
    {
      env: hostEnvironment(),
      log,
      signal,
      onLine: (line) => {
        const failed = parseFetchError(line);
        if (failed !== undefined) reasons.push(`${publicUri(failed.uri)}: ${failed.reason}`);
        return true;
      },
    },
  );
  for (const [index, {uri, path}] of files.entries()) {
    const got = join(folder, String(index));
    if (statSync(got, {throwIfNoEntry: false})?.isFile() !== true)
      return reasons[0] ?? `${publicUri(uri)} did not come; the log says more`;
    // What lies in a folder of this host apt only links to.
    copyFileSync(lstatSync(got).isSymbolicLink() ? realpathSync(got) : got, path);
  }
  return undefined;
}
