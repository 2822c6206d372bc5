import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {dirname, join, relative, resolve} from 'node:path';
import type {CacheLayout} from '../../cache/layout.ts';
import {isErrno, isNoSpace} from '../errors.ts';
import {fail, ok, type Result} from '../result.ts';
import type {StartedCommand} from '../sandbox/process.ts';
import {rerunScripts} from '../sandbox/rerun.ts';
import {isSandboxRequest} from '../sandbox/sandbox.ts';

export interface KeepWorkOptions {
  readonly layout: CacheLayout;
  /** The stage's work folder, below `run`. Nothing may run in it any more. */
  readonly work: string;
  /** Folder of the run: some layers of a sandbox lie in it, beside the work folders. */
  readonly run: string;
  /** Id of the stage. */
  readonly stage: string;
  readonly key: string;
  /** What the stage started: `CommandLog.commands`. */
  readonly commands: readonly StartedCommand[];
  /** Digest of the stage's output where it succeeded and was published. */
  readonly digest?: string;
}

/** Where the work of a stage is kept: one folder for a stage and key, a newer one in the place of an older. */
export function keptPath(layout: CacheLayout, {stage, key}: {stage: string; key: string}): string {
  return join(layout.kept, `${stage.replaceAll(/[^a-z0-9.-]+/gi, '_')}-${key.slice(0, 12)}`);
}

/**
 * Moves a stage's work folder out of its run, with a `rerun.sh` (src/sandbox/rerun.ts) that runs the last command
 * again. Gives the folder, or a sentence that says why nothing was kept: that is worth a warning, as the stage's own
 * failure is what counts.
 */
export function keepWork(options: KeepWorkOptions): Result<string, string> {
  const {layout, work, run, stage, commands, digest} = options;
  const kept = keptPath(layout, options);
  const moves = [
    [relative(layout.root, work), relative(layout.root, kept)],
    [relative(layout.root, run), relative(layout.root, join(kept, 'run'))],
  ] as const;
  const moved = (text: string): string =>
    moves.reduce((current, [from, to]) => current.replaceAll(from, to), text);
  const output = relative(layout.root, join(kept, 'object/tree'));
  const scripts = rerunScripts({
    stage,
    kept,
    cache: layout.root,
    commands,
    moved,
    ...(digest === undefined
      ? {}
      : {published: {from: output, to: relative(layout.root, join(layout.objects, digest, 'tree'))}}),
  });
  try {
    mkdirSync(layout.kept, {recursive: true});
    rmSync(kept, {recursive: true, force: true, maxRetries: 3});
    renameSync(work, kept);
    // A published output leaves a place that a sandbox may have bound.
    mkdirSync(join(layout.root, output), {recursive: true});
    for (const layer of sharedLayers(options))
      copy(join(layout.root, layer), join(layout.root, moved(layer)));
    for (const folder of usedWorkFolders(options)) rmSync(moved(folder), {recursive: true, force: true});
    if (scripts !== undefined) {
      writeFileSync(join(kept, 'command.sh'), scripts.command, {mode: 0o755});
      writeFileSync(join(kept, 'rerun.sh'), scripts.rerun, {mode: 0o755});
    }
    return ok(kept);
  } catch (error) {
    if (
      !isNoSpace(error) &&
      !isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENOENT', 'ENOTDIR', 'EBUSY')
    )
      throw error;
    return fail(
      `Cannot keep the work of ${stage} in ${kept}: ${error instanceof Error ? error.message : ''}`,
    );
  }
}

/** Layers that the run's stages share: other stages may still need them, so they are copied. */
function sharedLayers({layout, work, run, commands}: KeepWorkOptions): readonly string[] {
  const lowers = commands.flatMap(({options}) => {
    if (!isSandboxRequest(options)) return [];
    return typeof options.inside === 'object'
      ? [...options.lowers, ...options.inside.lowers]
      : options.lowers;
  });
  return [...new Set(lowers)].filter((lower) => {
    const path = resolve(layout.root, lower);
    return path.startsWith(`${run}/`) && !path.startsWith(`${work}/`);
  });
}

/** overlayfs's own folders of mounts that are gone: no further mount can use them. */
function usedWorkFolders({layout, commands}: KeepWorkOptions): readonly string[] {
  return commands.flatMap(({options}) =>
    isSandboxRequest(options) && options.writable !== undefined
      ? [join(layout.root, options.writable.work)]
      : [],
  );
}

function copy(from: string, to: string): void {
  if (existsSync(to)) return;
  mkdirSync(dirname(to), {recursive: true});
  execFileSync('cp', ['-a', '--', from, to]);
}
