import {join} from 'node:path';
import type {Os} from '../spec/image.ts';
import {type BringOptions, bringDebs} from './bring.ts';
import {controlFields} from './control.ts';
import type {LockedPackage, LockedSuite} from './lock.ts';
import {wantedDebs} from './wanted.ts';

/** Where the packages of one archive of a lock may be had. */
export interface DroppedFrom {
  readonly os: Os;
  /** Roots by origin. */
  readonly roots: Readonly<Record<string, string>>;
  /** The suites as they were locked. */
  readonly suites: readonly LockedSuite[];
}

/**
 * What package lists would say of packages that an archive has dropped, from the packages themselves, so that they may
 * stay in a lock; by SHA-256, without those that cannot be had from anywhere.
 */
export async function droppedStanzas(
  packages: readonly LockedPackage[],
  from: DroppedFrom,
  options: BringOptions,
): Promise<ReadonlyMap<string, string>> {
  if (packages.length === 0) return new Map();
  const into = join(options.work, 'debs');
  const all = {...options, into, linkName: ({sha256}: {readonly sha256: string}) => `${sha256}.deb`};
  // What cannot be had fails the whole; what could is in the store then, and looked up there one by one.
  await bringDebs(wantedDebs({packages, ...from}), all);
  const stanzas = new Map<string, string>();
  for (const one of packages) {
    const [wanted] = wantedDebs({packages: [one], ...from});
    if (wanted === undefined || !(await bringDebs([wanted], {...all, offline: true})).ok) continue;
    const [control = ''] = await controlFields([join(into, `${one.sha256}.deb`)], options.signal);
    const place = `Filename: ${one.path}\nSize: ${String(one.size)}\nSHA256: ${one.sha256}\n`;
    stanzas.set(one.sha256, `${control.trimEnd()}\n${place}`);
  }
  return stanzas;
}
