import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {parseXattrs} from '../../../cache/xattrs.ts';
import {packageRoot} from '../../package-root.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {Bind} from '../../sandbox/sandbox.ts';
import type {StageContext} from '../stage.ts';
import {runTool} from '../tool.ts';
import {scratchFile} from '../tree.ts';

/**
 * Extended attributes, `name=hex`, by path relative to the tree (as latin1 text of its bytes), both sorted. mke2fs and
 * mksquashfs store those of a file in the order in which the host's file system lists them; so they leave them out
 * and are told of them here.
 */
export type TreeXattrs = ReadonlyMap<string, readonly string[]>;

/** A part of the tree that is packed. */
export interface TreePart {
  readonly above?: readonly string[];
  readonly binds?: readonly Bind[];
  /** Absolute path in the tree. */
  readonly path?: string;
}

/** Of a part of the tree. Undefined without a tools image: older programs of a host cannot be told. */
export async function treeXattrs(
  context: StageContext,
  part: TreePart = {},
): Promise<Result<TreeXattrs | undefined, StageFailure>> {
  return context.node.toolsFrom === undefined ? ok(undefined) : listTreeXattrs(context, part);
}

/** The same on whatever programs. */
export async function listTreeXattrs(
  context: StageContext,
  {above = [], binds = [], path = '/'}: TreePart,
): Promise<Result<TreeXattrs, StageFailure>> {
  scratchFile(context, 'xattrs.pl', readFileSync(join(packageRoot, 'cache/xattrs.pl')));
  const listed = await runTool(context, {
    program: '/bin/sh',
    tree: {above, binds},
    args: (at) => [
      '-c',
      'exec perl "$0" "$1" > "$2"',
      at('work', 'xattrs.pl'),
      at('tree', path),
      at('work', 'xattrs'),
    ],
  });
  if (!listed.ok) return listed;
  const found = parseXattrs(readFileSync(join(context.work, 'xattrs'), 'latin1'));
  const xattrs = new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
  // debugfs and mksquashfs read lines.
  const odd = entries(xattrs).find(([path, name]) => /[\n\r]/.test(path) || !/^[!#-[\]-~]+$/.test(name));
  if (odd === undefined) return ok(xattrs);
  return fail({
    reason: 'refused',
    message: `${JSON.stringify(odd[0])} has an extended attribute ${JSON.stringify(odd[1])} that cannot be packed`,
    hint: 'Remove the attribute, or the line break from the name of the file',
  });
}

/** Writes attributes into an ext4 file system that lies in `file` of the work folder, at `offset`. */
export async function writeExt4Xattrs(
  context: StageContext,
  {xattrs, file, offset}: {xattrs: TreeXattrs; file: string; offset: number},
): Promise<Result<void, StageFailure>> {
  if (xattrs.size === 0) return ok(undefined);
  const values = join(context.work, 'xattr-values');
  mkdirSync(values, {recursive: true});
  const complaints: string[] = [];
  const done = await runTool(context, {
    program: 'debugfs',
    args: (at) => {
      const {commands, contents} = debugfsCommands(xattrs, (name) => at('work', 'xattr-values', name));
      for (const [index, content] of contents.entries()) writeFileSync(join(values, String(index)), content);
      scratchFile(context, 'xattr-commands', Buffer.from(commands, 'latin1'));
      return ['-w', '-f', at('work', 'xattr-commands'), `${at('work', file)}?offset=${String(offset)}`];
    },
    onLine: (line) => {
      const isEcho = /^debugfs[: ]/.test(line);
      if (!isEcho) complaints.push(line);
      return !isEcho;
    },
  });
  // Its exit code is 0 whatever became of its commands.
  if (!done.ok || complaints.length === 0) return done;
  return fail({
    reason: 'refused',
    message: `Extended attributes cannot be written to the disk: ${complaints.join('; ')}`,
    hint: 'ext4 has room for 4 KiB of attributes a file: see them with getfattr -d -m - in "fgimage shell"',
  });
}

/** Input of debugfs(8) and the values that its commands read, by number. */
export function debugfsCommands(
  xattrs: TreeXattrs,
  valuePath: (name: string) => string,
): {readonly commands: string; readonly contents: readonly Buffer[]} {
  const contents: Buffer[] = [];
  const commands: string[] = [];
  for (const [path, name, value] of entries(xattrs)) {
    commands.push(`ea_set -f ${valuePath(String(contents.length))} "/${path.replaceAll('"', '""')}" ${name}`);
    contents.push(Buffer.from(value, 'hex'));
  }
  return {commands: commands.map((line) => `${line}\n`).join(''), contents};
}

/**
 * Pseudo file definitions of mksquashfs(1), for the attributes that squashfs can hold. Undefined where one of them has no
 * value: mksquashfs 4.6 copies such from a file and does not take them in a definition.
 */
export function squashfsDefinitions(xattrs: TreeXattrs): string | undefined {
  const held = entries(xattrs).filter(([, name]) => /^(?:user|security|trusted)\./.test(name));
  if (held.some(([, , value]) => value === '')) return undefined;
  return held
    .map(([path, name, value]) => `"${path.replaceAll(/["\\]/g, '\\$&')}" x ${name}=0x${value}\n`)
    .join('');
}

function entries(xattrs: TreeXattrs): readonly (readonly [path: string, name: string, value: string])[] {
  return [...xattrs].flatMap(([path, attributes]) =>
    attributes.map((attribute) => {
      const at = attribute.lastIndexOf('=');
      return [path, attribute.slice(0, at), attribute.slice(at + 1)] as const;
    }),
  );
}
