import {type Check, nothing} from '../check.ts';
import type {Entry} from '../tree.ts';
import {shown} from '../tree.ts';

const othersWrite = 0o0002;
const sticky = 0o1000;

/** What every user of a machine may change; in a sticky folder, only what is their own (inode(7)). */
export const worldWritable: Check = {
  name: 'world-writable',
  entry: (entry) => {
    const {path, mode} = entry;
    if ((mode & othersWrite) === 0 || isHarmless(entry)) return nothing;
    const what = entry.type === 'folder' ? 'a folder without the sticky bit' : `a ${entry.type}`;
    return [
      {
        severity: 'high',
        path: shown(path),
        detail: `${what} that everybody may write to (${octal(mode)})`,
      },
    ];
  },
};

/** Links have no permissions of their own, and /dev is laid over when a machine boots. */
function isHarmless({type, mode, path}: Entry): boolean {
  if (type === 'link') return true;
  if (type === 'device') return path.startsWith('/dev/');
  return type === 'folder' && (mode & sticky) !== 0;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}
