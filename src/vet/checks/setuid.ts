import {type Check, type Look, nothing} from '../check.ts';
import type {Remark} from '../finding.ts';
import {type Entry, shown} from '../tree.ts';

const setBits = 0o6000;

/** Programs that give whoever runs them another's rights: only those that packages brought (execve(2), capabilities(7)). */
export const setuid: Check = {
  name: 'setuid',
  entry: (entry, look) => {
    if (entry.type !== 'file') return nothing;
    const capabilities = look.capabilities.get(entry.path);
    const bits = entry.mode & setBits;
    if (bits === 0 && capabilities === undefined) return nothing;
    const origin = strangeOrigin(entry, look);
    if (origin === undefined) return nothing;
    const path = shown(entry.path);
    return [
      ...(bits === 0 ? [] : [remark(path, `${bitsText(entry)}, and ${origin}`)]),
      ...(capabilities === undefined ? [] : [remark(path, `has ${capabilities}, and ${origin}`)]),
    ];
  },
};

function strangeOrigin(
  {path, mode}: Entry,
  {packaged, isFromPackages, withoutPackages}: Look,
): string | undefined {
  if (withoutPackages) return isFromPackages(path) ? undefined : 'the import did not bring it';
  const owner = packaged.ownerOf(path);
  if (owner === undefined) return 'no package owns it';
  if (isFromPackages(path) || packaged.overriddenMode(path) === mode) return undefined;
  return `${shown(owner)} did not bring it so: files, a copy or a provisioner of the spec changed it`;
}

function bitsText({mode, uid, gid}: Entry): string {
  const words = [
    ...((mode & 0o4000) === 0 ? [] : [`runs as the user ${String(uid)}`]),
    ...((mode & 0o2000) === 0 ? [] : [`runs as the group ${String(gid)}`]),
  ];
  return `${words.join(' and ')} (${mode.toString(8).padStart(4, '0')})`;
}

function remark(path: string, detail: string): Remark {
  return {severity: 'high', path, detail};
}
