import {existsSync, mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {apkPackages} from '../inventory/apks.ts';
import {readGatheredApks} from '../inventory/gathered.ts';
import type {InventoryPackage} from '../inventory/inventory.ts';
import {packageRoot} from '../package-root.ts';
import {fail, ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {packagesOf} from './rpm-tree.ts';
import {writeDocuments} from './sbom.ts';
import type {StageContext, StageRunner} from './stage.ts';
import {mountPoint, runInTree} from './tree.ts';

/**
 * Tells what is inside a tree that could only be imported: packages as apk's database has them; where nobody is asked for
 * packages, every file is one that none owns.
 */
export const runPlainSbom: StageRunner = async (context) => {
  const {machine} = context.node.params['imported'] as {readonly machine: string};
  context.progress('Looking at what is inside');
  const folder = join(context.work, 'gathered');
  mkdirSync(folder, {recursive: true});
  const gathered = await gatherByHost(context, folder, packagesOf(context.node) === 'apk' ? 'apk' : 'all');
  if (!gathered.ok) return fail({failure: gathered.error});
  context.progress('Writing the documents');
  return writeDocuments(context, readGatheredApks(folder, {architecture: machine}));
};

/** Looks at the stage's tree by the host's perl (src/stages/scripts/sbom.pl), and writes into a folder what it finds. */
export function gatherByHost(
  context: StageContext,
  folder: string,
  what?: 'all' | 'apk' | 'kernels',
): Promise<Result<void, StageFailure>> {
  const looked = join(context.work, 'looked');
  mkdirSync(looked, {recursive: true});
  const out = '/run/fgimage/out';
  return runInTree(
    {...context, output: looked},
    {
      inside: 'host',
      enters: true,
      command: [
        'perl',
        join(packageRoot, 'src/stages/scripts/sbom.pl'),
        out,
        mountPoint(context),
        ...(what === undefined ? [] : [what]),
      ],
      writable: true,
      bare: true,
      binds: [{source: folder, path: out, kind: 'dir', mode: 'rw'}],
    },
  );
}

/** The packages and the versions of the kernels of such a tree. */
export async function plainInventory(
  context: StageContext,
): Promise<Result<{packages: readonly InventoryPackage[]; kernels: readonly string[]}, StageFailure>> {
  const folder = join(context.work, 'inventory');
  mkdirSync(folder, {recursive: true});
  const gathered = await gatherByHost(context, folder, 'kernels');
  if (!gathered.ok) return gathered;
  const lines = readFileSync(join(folder, 'kernels'), 'utf8').split('\n');
  const database = join(folder, 'apk-installed');
  const hasDatabase = packagesOf(context.node) === 'apk' && existsSync(database);
  return ok({
    packages: hasDatabase ? apkPackages(readFileSync(database, 'utf8')).packages : [],
    kernels: lines.filter((line) => line !== '').map(decodeURIComponent),
  });
}
