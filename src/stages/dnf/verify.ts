import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import {cleanEnvironment} from '../../sandbox/environment.ts';
import {runProcess} from '../../sandbox/process.ts';
import {tied} from '../host-command.ts';
import type {StageContext} from '../stage.ts';
import {armoredKeysFile} from './repositories.ts';
import {type NeededRpm, rpmEnvironment} from './resolve.ts';

/**
 * Verifies the signature of each package with the keys of the repository that it is from, and no others: rpmkeys(8) with
 * a database of its own for each repository. What is not signed is refused.
 */
export async function verifyRpms(
  context: StageContext,
  needed: readonly NeededRpm[],
  {archive, folder}: {readonly archive: string; readonly folder: string},
): Promise<Result<void, StageFailure>> {
  for (const id of [...new Set(needed.map(({repository}) => repository))]) {
    const database = join(context.work, 'keys', id);
    mkdirSync(database, {recursive: true});
    const imported = await rpmkeys(context, database, ['--import', armoredKeysFile(archive, id)]);
    if (!imported.isGood) return fail(keyRefused(id, imported.lines));
    const own = needed.filter(({repository}) => repository === id);
    for (let start = 0; start < own.length; start += mostAtOnce) {
      const files = own.slice(start, start + mostAtOnce).map(({fileName}) => join(folder, fileName));
      const checked = await rpmkeys(context, database, ['--checksig', '--verbose', ...files]);
      if (!checked.isGood) return fail(refusal(id, checked.lines, folder));
    }
  }
  return ok(undefined);
}

/** An argument vector has its limits (execve(2)). */
const mostAtOnce = 500;

async function rpmkeys(
  context: StageContext,
  database: string,
  words: readonly string[],
): Promise<{readonly isGood: boolean; readonly lines: readonly string[]}> {
  const lines: string[] = [];
  const outcome = await runProcess(
    tied('rpmkeys', '--dbpath', database, '--define', '_pkgverify_level all', ...words),
    {
      env: {...cleanEnvironment, ...rpmEnvironment},
      log: context.log,
      signal: context.signal,
      onLine: (line) => {
        lines.push(line);
        return !/: OK$|NOTFOUND$/.test(line);
      },
    },
  );
  return {isGood: outcome.exitCode === 0, lines};
}

function keyRefused(id: string, lines: readonly string[]): StageFailure {
  return {
    reason: 'refused',
    message: `rpm does not take the key of ${id}`,
    details: lines,
    hint: 'Name the file with its public key in signed_by',
  };
}

/**
 * What rpmkeys says of each file: its path and a colon, then a line for each signature and digest. Told are the packages
 * of which one is not good, in one line each.
 */
function refusal(id: string, lines: readonly string[], folder: string): StageFailure {
  const told: string[] = [];
  let name = '';
  let bad: string[] = [];
  let signed = false;
  const close = (): void => {
    if (name !== '' && (bad.length > 0 || !signed))
      told.push(`${name}: ${bad.length > 0 ? bad.join('; ') : 'it is not signed'}`);
    bad = [];
    signed = false;
  };
  for (const line of lines) {
    if (line.startsWith(`${folder}/`)) {
      close();
      name = line.slice(folder.length + 1).replace(/\.rpm:.*$/, '');
    } else if (/Signature/i.test(line) && !line.endsWith('NOTFOUND')) {
      if (line.endsWith(': OK')) signed = true;
      else bad.push(wordsOf(line));
    } else if (/digest.*: BAD/.test(line)) bad.push(line.trim());
  }
  close();
  return {
    reason: 'refused',
    message: `${told.length === 1 ? 'A package' : `${String(told.length)} packages`} of ${id} ${told.length === 1 ? 'is' : 'are'} refused: not signed with the repository's key`,
    details: told.slice(0, mostTold),
    hint: `Name the right key of ${id} in signed_by; if it is the right one, the package was made by somebody else`,
  };
}

const mostTold = 10;

function wordsOf(line: string): string {
  const key = /key ID (?<id>[0-9a-f]+)/i.exec(line)?.groups?.['id'] ?? 'unknown';
  return line.endsWith('NOKEY') ? `signed with another key, ${key}` : `its signature by key ${key} is bad`;
}
