import {readFile} from 'node:fs/promises';
import {isErrno} from '../errors.ts';
import type {HostCheck} from './host-check.ts';

/** An image has owners up to 65535 (nobody is 65534). */
const neededIds = 65_536;
/** Where useradd(8) begins to give out subordinate ids. */
const firstId = 100_000;

export interface HostUser {
  readonly uid: number;
  readonly name: string;
}

interface IdRange {
  readonly owner: string;
  readonly start: number;
  readonly count: number;
}

/** Whether /etc/subuid and /etc/subgid give the user a range of ids that is large enough, in one piece. */
export async function checkSubordinateIds(user: HostUser): Promise<readonly HostCheck[]> {
  const [subuid, subgid] = await Promise.all([readIfThere('/etc/subuid'), readIfThere('/etc/subgid')]);
  return subordinateIdChecks(user, subuid, subgid);
}

/** The same of the two files' texts. */
export function subordinateIdChecks(user: HostUser, subuid: string, subgid: string): readonly HostCheck[] {
  const files = [
    {name: 'subordinate user ids', path: '/etc/subuid', flag: '--add-subuids', ranges: parseRanges(subuid)},
    {name: 'subordinate group ids', path: '/etc/subgid', flag: '--add-subgids', ranges: parseRanges(subgid)},
  ];
  return files.map(({name, path, flag, ranges}): HostCheck => {
    const largest = Math.max(0, ...ranges.filter((range) => isOwner(range, user)).map(({count}) => count));
    if (largest >= neededIds) return {name, ok: true, severity: 'needed', found: `${largest} in ${path}`};
    const start = Math.max(firstId, ...ranges.map((range) => range.start + range.count));
    return {
      name,
      ok: false,
      severity: 'needed',
      found: `${largest === 0 ? 'none' : String(largest)} for ${user.name} in ${path}, ${neededIds} are needed`,
      mend: `sudo usermod ${flag} ${start}-${start + neededIds - 1} ${user.name}`,
    };
  });
}

function parseRanges(text: string): readonly IdRange[] {
  return text.split('\n').flatMap((line) => {
    const [owner, start, count] = line.trim().split(':');
    if (owner === undefined || start === undefined || count === undefined) return [];
    return [{owner, start: Number(start), count: Number(count)}].filter(
      (range) => Number.isSafeInteger(range.start) && Number.isSafeInteger(range.count),
    );
  });
}

function isOwner({owner}: IdRange, {uid, name}: HostUser): boolean {
  return owner === name || owner === String(uid);
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES')) return '';
    throw error;
  }
}
