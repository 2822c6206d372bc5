import {lstatSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../../package-root.ts';
import {ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext} from '../stage.ts';
import {runTool} from '../tool.ts';
import {scratchFile} from '../tree.ts';

/** What a file system is to hold. */
export interface Content {
  /** Inodes that are no folders, a file with several names once. */
  readonly files: number;
  readonly folders: number;
  /** Symbolic links too long for an inode of ext4. */
  readonly longLinks: number;
  /** Blocks of 4 KiB of regular files, holes as if they were filled. */
  readonly blocks: number;
  /** Bytes of the names in folders, each with 12 more. */
  readonly entryBytes: number;
  /** Of the folder that it is all in. */
  readonly folder: FolderFacts;
}

export interface FolderFacts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Counts what lies below each mount point of the tree; those that are not in it yet hold nothing. */
export async function measureTree(
  context: StageContext,
  paths: readonly string[],
): Promise<Result<ReadonlyMap<string, Content>, StageFailure>> {
  scratchFile(context, 'measure.pl', readFileSync(join(packageRoot, 'src/stages/scripts/measure.pl')));
  const done = await runTool(context, {
    program: '/bin/sh',
    tree: {},
    args: (at) => [
      '-c',
      'exec perl "$@"',
      'sh',
      at('work', 'measure.pl'),
      at('work', 'content'),
      at('tree'),
      ...paths,
    ],
    shown: ['measure.pl', ...paths],
  });
  if (!done.ok) return done;
  return ok(parseContent(readFileSync(join(context.work, 'content'), 'utf8')));
}

/** With what a layer on top brings; what it replaces is counted twice. */
export function withLayer(
  content: ReadonlyMap<string, Content>,
  layer: string,
): ReadonlyMap<string, Content> {
  const sums = new Map([...content].map(([path, one]) => [path, {...one}]));
  const walk = (folder: string, holder: string): void => {
    const at = sums.has(folder === '' ? '/' : folder) ? folder || '/' : holder;
    const sum = sums.get(at);
    if (sum === undefined) throw new Error(`What is below ${at} was not measured`);
    for (const entry of readdirSync(join(layer, folder), {withFileTypes: true})) {
      const path = `${folder}/${entry.name}`;
      sum.entryBytes += Buffer.byteLength(entry.name) + 12;
      if (entry.isDirectory()) {
        sum.folders += 1;
        walk(path, at);
        continue;
      }
      sum.files += 1;
      sum.blocks += Math.ceil(lstatSync(join(layer, path)).size / 4096);
    }
  };
  walk('', '/');
  return sums;
}

/** What measure.pl wrote. */
export function parseContent(text: string): ReadonlyMap<string, Content> {
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const words = line.split(' ');
        const [
          files = 0,
          folders = 0,
          longLinks = 0,
          blocks = 0,
          entryBytes = 0,
          mode = 0,
          uid = 0,
          gid = 0,
        ] = words.slice(0, 8).map(Number);
        const folder = {mode, uid, gid};
        return [words.slice(8).join(' '), {files, folders, longLinks, blocks, entryBytes, folder}];
      }),
  );
}
