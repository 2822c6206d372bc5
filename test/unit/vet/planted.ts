import {chmodSync, mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import type {Expected} from '../../../src/plan/vet-node.ts';
import type {CheckName, Finding} from '../../../src/vet/finding.ts';
import {type VetRequest, vetTree} from '../../../src/vet/vet-tree.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** A file's text, or what else is planted at a path. */
export type Planted =
  | string
  | {readonly text: string; readonly mode: number}
  | {readonly link: string}
  | {readonly folder: number};

/** What a spec without users and repositories expects. */
export const nobody: Expected = {
  users: [],
  repositories: [],
  archive: {suites: ['bookworm', 'bookworm-updates'], security_suite: 'bookworm-security'},
  packaged: [],
};

interface Vetting extends Partial<Omit<VetRequest, 'root' | 'expected'>> {
  readonly expected?: Partial<Expected>;
}

/** Vets a tree of these files; everything else in it is as it should be. */
export function findings(
  files: Readonly<Record<string, Planted>>,
  {expected, ...request}: Vetting = {},
): readonly Finding[] {
  using folder = new TemporaryFolder();
  plant(folder.join('tree'), files);
  return vetTree({
    layers: [],
    xattrs: new Map(),
    strangers: [],
    ...request,
    root: folder.join('tree'),
    expected: {...nobody, ...expected},
  }).findings;
}

/** Of one check, `severity path: detail`. */
export function told(
  check: CheckName,
  files: Readonly<Record<string, Planted>>,
  vetting: Vetting = {},
): readonly string[] {
  return findings(files, vetting)
    .filter((finding) => finding.check === check)
    .map(({severity, path, detail}) => `${severity} ${path}: ${detail}`);
}

export function plant(root: string, files: Readonly<Record<string, Planted>>): void {
  mkdirSync(root, {recursive: true});
  for (const [path, planted] of Object.entries(files)) {
    const place = join(root, path);
    mkdirSync(dirname(place), {recursive: true});
    if (typeof planted === 'string') writeFileSync(place, planted);
    else if ('link' in planted) symlinkSync(planted.link, place);
    else if ('folder' in planted) {
      mkdirSync(place, {recursive: true});
      chmodSync(place, planted.folder);
    } else {
      writeFileSync(place, planted.text);
      chmodSync(place, planted.mode);
    }
  }
}
