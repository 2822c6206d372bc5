import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {compareVersions} from '../../lock/version.ts';
import {packageRoot} from '../../package-root.ts';
import {ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import {queryRpms} from '../dnf/query.ts';
import {plainInventory} from '../plain-tree.ts';
import {packagesOf} from '../rpm-tree.ts';
import type {StageContext} from '../stage.ts';
import {runInTree} from '../tree.ts';

/** What an image holds, as its own package database tells it. */
export interface Inventory {
  readonly packages: readonly InstalledPackage[];
  /** Kernel versions in /boot, the newest first. */
  readonly kernels: readonly string[];
}

export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

export async function takeInventory(context: StageContext): Promise<Result<Inventory, StageFailure>> {
  const manager = packagesOf(context.node);
  if (manager === 'dnf') return rpmInventory(context);
  if (manager !== 'apt') return importedInventory(context);
  const out = join(context.work, 'inventory');
  mkdirSync(out, {recursive: true});
  const done = await runInTree(context, {
    command: ['/bin/sh', '/run/fgimage/inventory.sh', '/run/fgimage/out'],
    binds: [
      {
        source: join(packageRoot, 'src/stages/scripts/inventory.sh'),
        path: '/run/fgimage/inventory.sh',
        kind: 'file',
        mode: 'ro',
      },
      {source: out, path: '/run/fgimage/out', kind: 'dir', mode: 'rw'},
    ],
  });
  if (!done.ok) return done;
  const packages = lines(join(out, 'packages')).map((line) => {
    const [name = '', version = '', architecture = ''] = line.split('\t');
    return {name, version, architecture};
  });
  return ok({packages, kernels: lines(join(out, 'kernels')).toReversed()});
}

async function rpmInventory(context: StageContext): Promise<Result<Inventory, StageFailure>> {
  const facts = await queryRpms(context);
  if (!facts.ok) return facts;
  const {packages, kernels} = facts.value;
  return ok({
    packages: packages.map(({name, version, architecture}) => ({name, version, architecture})),
    kernels: [...kernels].sort((a, b) => compareVersions(b, a)),
  });
}

async function importedInventory(context: StageContext): Promise<Result<Inventory, StageFailure>> {
  const found = await plainInventory(context);
  if (!found.ok) return found;
  const {packages, kernels} = found.value;
  return ok({
    packages: packages.map(({name, version, architecture}) => ({name, version, architecture})),
    kernels: [...kernels].sort((a, b) => compareVersions(b, a)),
  });
}

function lines(path: string): readonly string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}
