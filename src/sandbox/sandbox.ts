import {join} from 'node:path';
import {packageRoot} from '../package-root.ts';
import type {ProcessOutcome, RunProcessOptions} from './process.ts';
import {runProcess} from './process.ts';

/**
 * The only place that mounts. Every command that touches an image's tree runs in namespaces of its own, over an
 * overlay of its input layers; with the last process in there the mounts are gone, and when fgimage itself ends, in
 * whatever way, so does everything in there.
 */
export interface SandboxRequest extends RunProcessOptions {
  /** Folder that `lowers`, `upper` and `work` are relative to: the cache. overlay's options hold no other path. */
  readonly base: string;
  /** Input layers, the topmost first. */
  readonly lowers: readonly string[];
  /** Where changes go; absent: the tree is read-only. */
  readonly writable?: {readonly upper: string; readonly work: string};
  /** An empty folder: where the tree appears on the host's side of the sandbox. */
  readonly mountPoint: string;
  /** `image`: the command runs inside the tree, the host is out of reach. `host`: the host's own program sees the tree at `mountPoint`. */
  readonly inside: 'image' | 'host';
  readonly binds?: readonly Bind[];
  /** Whether the command may use the host's network; without it there is only a loopback. */
  readonly network?: boolean;
  readonly command: readonly [string, ...string[]];
}

export interface Bind {
  readonly source: string;
  /** Absolute path in the tree. */
  readonly path: string;
  readonly kind: 'dir' | 'file';
  readonly mode: 'ro' | 'rw';
}

/** Environment of every command: nothing of the caller's. */
export const cleanEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LC_ALL: 'C.UTF-8',
  TZ: 'UTC',
  TERM: 'dumb',
  SHELL: '/bin/sh',
};

export function runInSandbox(request: SandboxRequest): Promise<ProcessOutcome> {
  return runProcess(sandboxCommand(request), request);
}

/** The argument vector that runs a request: unshare(1), init.pl, its operations, the command. */
export function sandboxCommand(request: SandboxRequest): readonly [string, ...string[]] {
  const namespaces = [
    '--mount',
    '--pid',
    '--ipc',
    '--uts',
    '--fork',
    '--kill-child',
    '--propagation',
    'private',
  ];
  if (request.network !== true) namespaces.push('--net');
  const operations = ['chdir', request.base, 'hostname', 'localhost'];
  if (request.network !== true) operations.push('loopback');
  operations.push('overlay', request.mountPoint, overlayOptions(request), 'root', request.mountPoint);
  if (request.inside === 'image') {
    operations.push(
      'proc',
      'dev',
      'tmpfs',
      '/tmp',
      '1777',
      'tmpfs',
      '/var/tmp',
      '1777',
      'tmpfs',
      '/run',
      '755',
    );
  }
  for (const bind of request.binds ?? [])
    operations.push('bind', bind.kind, bind.mode, bind.source, bind.path);
  if (request.inside === 'image') operations.push('pivot', 'drop-capabilities');
  return [
    'unshare',
    ...namespaces,
    'perl',
    join(packageRoot, 'src/sandbox/init.pl'),
    ...operations,
    'exec',
    ...request.command,
  ];
}

/**
 * overlayfs's options. `userxattr` keeps its marks in user.* attributes, as only that works in a user namespace and
 * layers are to be alike; `volatile` leaves out its fsync calls, since a layer is flushed as a whole before it counts.
 */
function overlayOptions({lowers, writable}: SandboxRequest): string {
  const options = [`lowerdir=${lowers.join(':')}`, 'userxattr'];
  if (writable !== undefined)
    options.push(`upperdir=${writable.upper}`, `workdir=${writable.work}`, 'volatile');
  return options.join(',');
}
