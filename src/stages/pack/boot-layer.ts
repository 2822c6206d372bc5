import {lstatSync, lutimesSync, readdirSync} from 'node:fs';
import {join} from 'node:path';

/** Gives what was written just now below a folder, and the folder, the one time that a build has. */
export function settleTimes(folder: string, epoch: number): void {
  for (const entry of readdirSync(folder, {withFileTypes: true})) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) settleTimes(path, epoch);
    else settleTime(path, epoch);
  }
  settleTime(folder, epoch);
}

function settleTime(path: string, epoch: number): void {
  const modified = Math.floor(lstatSync(path).mtimeMs / 1000);
  lutimesSync(path, epoch, Math.min(modified, epoch));
}
