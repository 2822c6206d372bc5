import {mkdirSync, readFileSync, statfsSync, utimesSync, writeFileSync} from 'node:fs';
import {join, relative} from 'node:path';
import {packageRoot} from '../package-root.ts';
import {fail, ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import type {ProcessOutcome} from '../sandbox/process.ts';
import {type Bind, cleanEnvironment, runInSandbox, type SandboxSecret} from '../sandbox/sandbox.ts';
import {requiredInput} from './inputs.ts';
import {hasDebs} from './rpm-tree.ts';
import type {StageContext} from './stage.ts';

/** What `runInTree` is asked to do. */
export interface TreeCommand {
  readonly command: readonly [string, ...string[]];
  /** What a person is told was run, where it is not the command as it stands. */
  readonly shown?: readonly string[];
  /**
   * `image` (the default): inside the tree. `host`: the host's own program, which sees the tree at `mountPoint(context)`.
   * `tools`: a program of the tools image, which sees it at `toolsTreePath`; `binds` are then of that root.
   */
  readonly inside?: 'image' | 'host' | 'tools';
  /**
   * Outside of the image: whether the command enters the tree by chroot(2). Then the tree has what it has for a command
   * inside it: /proc, /dev, /tmp, /run, and what shadows its programs, in `shadowPath`.
   */
  readonly enters?: boolean;
  /** What PID 1 is called; configuration tools look there for the init system. */
  readonly initName?: string;
  /** In the tools image: whether the command may mount and change its root. */
  readonly mayMount?: boolean;
  /** Whether changes are kept in the stage's output; otherwise the tree is read-only. */
  readonly writable?: boolean;
  readonly network?: boolean;
  /** Whether nothing is laid over the tree that is no part of it: for a look at it as it is. */
  readonly bare?: boolean;
  /** Folders below the cache stacked on top of the stage's layers, the topmost first. */
  readonly above?: readonly string[];
  readonly binds?: readonly Bind[];
  /** Files in /run/secrets, and their contents one after the other. */
  readonly secrets?: {readonly secrets: readonly SandboxSecret[]; readonly input: Buffer};
  readonly env?: Readonly<Record<string, string>>;
  readonly onLine?: (line: string) => boolean;
  readonly timeoutMs?: number;
  readonly hint?: string;
}

/** Where a stage's tree appears to the host's programs in its sandbox. */
export function mountPoint(context: StageContext): string {
  return join(context.work, 'merged');
}

/** Where a stage's tree appears in the tools image. */
export const toolsTreePath = '/run/fgimage/tree';

/** The folder in a tree whose programs stand before its own. */
export const shadowPath = '/run/fgimage/shims';

/** Runs a command over the stage's layers; a non-zero exit is a failure with the log's last lines. */
export async function runInTree(
  context: StageContext,
  request: TreeCommand,
): Promise<Result<void, StageFailure>> {
  const base = context.store.layout.root;
  const fromBase = (path: string): string => relative(base, path);
  const merged = mountPoint(context);
  const overlayWork = join(context.work, 'overlay');
  for (const folder of [merged, overlayWork]) mkdirSync(folder, {recursive: true});
  const layers = context.node.layers.map((id) => fromBase(requiredInput(context, id).path));
  const tool = join(packageRoot, 'src/sandbox/shims/update-initramfs');
  const inside = request.inside ?? 'image';
  const entered = inside === 'image' || request.enters === true;
  const above = [
    // Its policy-rc.d is Debian's way; in a tree of another kind /usr/sbin may be a link, which the layer would hide.
    ...(entered && request.bare !== true && hasDebs(context.node) ? [shimLayer(context)] : []),
    ...(request.above ?? []),
  ];
  const empty = join(context.run.path, 'empty');
  mkdirSync(empty, {recursive: true});
  const outcome = await runInSandbox({
    base,
    lowers: [...above.map(fromBase), ...layers.reverse(), fromBase(empty)],
    ...(request.writable === true
      ? {writable: {upper: fromBase(context.output), work: fromBase(freshFolder(overlayWork))}}
      : {}),
    mountPoint: fromBase(merged),
    inside:
      inside === 'tools'
        ? {
            lowers: [fromBase(toolsTree(context)), fromBase(empty)],
            treePath: toolsTreePath,
            ...(request.enters === undefined ? {} : {enters: request.enters}),
            ...(request.mayMount === undefined ? {} : {mayMount: request.mayMount}),
          }
        : inside,
    ...(inside === 'host' && request.enters === true ? {enters: true} : {}),
    binds: [
      ...(entered
        ? [
            {
              source: tool,
              path: `${inside === 'tools' ? toolsTreePath : ''}${shadowPath}/update-initramfs`,
              kind: 'file',
              mode: 'ro',
            } as const,
          ]
        : []),
      ...(request.binds ?? []),
    ],
    network: request.network ?? false,
    ...(request.initName === undefined ? {} : {initName: request.initName}),
    command: request.command,
    env: {
      ...cleanEnvironment,
      ...(inside === 'image' ? {PATH: `${shadowPath}:${cleanEnvironment['PATH'] ?? ''}`} : {}),
      DEBIAN_FRONTEND: 'noninteractive',
      DEBCONF_NONINTERACTIVE_SEEN: 'true',
      SOURCE_DATE_EPOCH: String(sourceDateEpoch(context)),
      ...request.env,
    },
    log: context.log,
    signal: context.signal,
    ...(request.secrets ?? {}),
    ...(request.onLine === undefined ? {} : {onLine: request.onLine}),
    ...(request.timeoutMs === undefined ? {} : {timeoutMs: request.timeoutMs}),
  });
  const {command, shown = command, hint, timeoutMs} = request;
  return commandResult(context, {outcome, shown, hint, timeoutMs});
}

/** The tree of the tools image that the stage's programs come from. */
function toolsTree(context: StageContext): string {
  const {id, toolsFrom} = context.node;
  if (toolsFrom === undefined) throw new Error(`Stage ${id} has no tools image`);
  return requiredInput(context, toolsFrom).path;
}

export interface CommandResultOptions {
  readonly outcome: ProcessOutcome;
  /** What a person is told was run. */
  readonly shown?: readonly string[] | undefined;
  readonly hint?: string | undefined;
  /** How long it could take. */
  readonly timeoutMs?: number | undefined;
}

/** Exit code 0 is success; anything else a failure that shows the command and the log's end. */
export function commandResult(
  context: StageContext,
  {outcome, shown, hint, timeoutMs}: CommandResultOptions,
): Result<void, StageFailure> {
  if (outcome.exitCode === 0) return ok(undefined);
  const {lastLines, path: logPath} = context.log;
  if (noRoomWords.test(lastLines.join('\n')) || freeBytes(context.store.layout.root) < leastFreeBytes)
    return fail(noSpace(context));
  if (outcome.timedOut && timeoutMs !== undefined)
    return fail({
      reason: 'timed-out',
      what: (shown ?? outcome.command)[0] ?? '',
      timeoutMs,
      lastLines,
      logPath,
    });
  return fail({
    reason: 'command-failed',
    command: shown ?? outcome.command,
    exitCode: outcome.exitCode,
    signal: outcome.signal,
    lastLines,
    logPath,
    ...(hint === undefined ? {} : {hint}),
  });
}

/** What the kernel, apt and quotas say. */
const noRoomWords = /No space left on device|enough free space|Disk quota exceeded/;
const leastFreeBytes = 4 << 20;

function freeBytes(folder: string): number {
  const {bavail, bsize} = statfsSync(folder);
  return bavail * bsize;
}

function noSpace(context: Pick<StageContext, 'store'>): StageFailure {
  return {
    reason: 'no-space',
    message: `No space left on the file system of the cache, ${context.store.layout.root}`,
    hint: 'Free some space there, or name another folder with --cache-dir',
  };
}

/**
 * The time that everything written by a build carries, in seconds (https://reproducible-builds.org/specs/source-date-epoch/):
 * the day the distribution's release came out, so that it does not move with the archive.
 */
export function sourceDateEpoch(context: StageContext): number {
  const epoch = context.node.params['source_date_epoch'];
  if (typeof epoch !== 'number') throw new Error(`Stage ${context.node.id} has no source_date_epoch`);
  return epoch;
}

/** Writes a file that a sandbox binds, below the stage's scratch folder. */
export function scratchFile(context: StageContext, name: string, content: string | Buffer): string {
  const path = join(context.work, name);
  writeFileSync(path, content);
  return path;
}

let workFolders = 0;

/** overlayfs refuses a work folder that a `volatile` mount used before, so each mount gets its own. */
function freshFolder(parent: string): string {
  workFolders += 1;
  const path = join(parent, String(workFolders));
  mkdirSync(path);
  return path;
}

/**
 * A layer on top of all others, so that its files are seen by package scripts and never end up in an image:
 * policy-rc.d, which keeps daemons from starting.
 */
function shimLayer(context: StageContext): string {
  const folder = join(context.run.path, 'shims');
  mkdirSync(join(folder, 'usr/sbin'), {recursive: true});
  const policy = readFileSync(join(packageRoot, 'src/sandbox/shims/policy-rc.d'));
  writeFileSync(join(folder, 'usr/sbin/policy-rc.d'), policy, {mode: 0o755});
  // A layer that changes something below these folders takes over their times.
  for (const shown of ['usr/sbin', 'usr'])
    utimesSync(join(folder, shown), sourceDateEpoch(context), sourceDateEpoch(context));
  return folder;
}
