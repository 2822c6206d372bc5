import {dirname} from 'node:path';
import {ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext} from '../stage.ts';
import {type Places, runTool, toolPath} from '../tool.ts';
import type {EspFile} from './boot-files.ts';
import {mebibyte, type PlacedPartition} from './partitions.ts';

export interface EspRequest {
  /** The disk, in the work folder. */
  readonly disk: string;
  readonly partition: PlacedPartition;
  /** Volume id, eight hexadecimal digits. */
  readonly id: string;
  readonly files: readonly EspFile[];
}

const mtoolsEnvironment = {MTOOLS_SKIP_CHECK: '1', MTOOLSRC: '/dev/null'} as const;
/** FAT32 wants 65525 clusters at least: small partitions have clusters of one sector. */
const largeEspBytes = 256 * mebibyte;

/** Writes the EFI system partition: FAT32, its folders, its files in their order. */
export async function writeEsp(
  context: StageContext,
  {disk, partition, id, files}: EspRequest,
): Promise<Result<void, StageFailure>> {
  context.progress('Writing the EFI system partition');
  const made = await runTool(context, {
    program: 'mkfs.vfat',
    args: (at) => [
      '--invariant',
      '-F',
      '32',
      '-s',
      partition.sectors * 512 >= largeEspBytes ? '8' : '1',
      '-i',
      id,
      '-n',
      'ESP',
      `--offset=${String(partition.firstSector)}`,
      at('work', disk),
      String(partition.sectors / 2),
    ],
  });
  if (!made.ok) return made;
  const image = (at: Places): string => `${at('work', disk)}@@${String(partition.firstSector * 512)}`;
  const folders = await runTool(context, {
    program: 'mmd',
    args: (at) => ['-i', image(at), ...foldersOf(files).map((folder) => `::${folder}`)],
    env: mtoolsEnvironment,
  });
  if (!folders.ok) return folders;
  return copyFiles(context, {image, files});
}

/** One after the other in one process: each would have a sandbox of its own. */
async function copyFiles(
  context: StageContext,
  {image, files}: {readonly image: (at: Places) => string; readonly files: readonly EspFile[]},
): Promise<Result<void, StageFailure>> {
  if (files.length === 0) return ok(undefined);
  return runTool(context, {
    program: '/bin/sh',
    args: (at) => [
      '-c',
      'mcopy=$0 image=$1; shift; while [ $# -gt 0 ]; do "$mcopy" -i "$image" "$1" "$2" || exit; shift 2; done',
      toolPath(context, 'mcopy'),
      image(at),
      ...files.flatMap(({from, to}) => [at('work', from), `::${to}`]),
    ],
    env: mtoolsEnvironment,
    shown: ['mcopy', ...files.map(({to}) => to)],
  });
}

/** Folders of the files, each after the one that it lies in. */
export function foldersOf(files: readonly EspFile[]): readonly string[] {
  const found = new Set<string>();
  const add = (folder: string): void => {
    if (folder === '/' || found.has(folder)) return;
    add(dirname(folder));
    found.add(folder);
  };
  for (const {to} of files) add(dirname(to));
  return [...found];
}
