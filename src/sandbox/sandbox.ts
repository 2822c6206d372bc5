import {join} from 'node:path';
import {packageRoot} from '../package-root.ts';
import type {ProcessOutcome, RunProcessOptions} from './process.ts';
import {runProcess} from './process.ts';

/**
 * The only place that mounts. Every command that touches an image's tree runs in namespaces of its own, over an
 * overlay of its input layers; with the last process in there the mounts are gone, and when fgimage itself ends, in
 * whatever way, so does everything in there.
 */
export interface SandboxRequest extends SandboxSetup, RunProcessOptions {}

/** What a sandbox is made of and the command that runs in it. */
export interface SandboxSetup {
  /** Folder that `lowers`, `upper` and `work` are relative to: the cache. overlay's options hold no other path. */
  readonly base: string;
  /** Input layers, the topmost first. */
  readonly lowers: readonly string[];
  /** Where changes go; absent: the tree is read-only. */
  readonly writable?: {readonly upper: string; readonly work: string};
  /** An empty folder: where the tree, or the tools image, appears on the host's side of the sandbox. */
  readonly mountPoint: string;
  /**
   * `image`: the command runs inside the tree, the host is out of reach. `host`: the host's own program sees the tree at
   * `mountPoint`. A tools root: the command runs inside that, the host is out of reach, and sees the tree at `treePath`.
   */
  readonly inside: 'image' | 'host' | ToolsRoot;
  /** Of a program of the host: whether it enters the tree, which then has /proc, /dev, /tmp, /var/tmp and /run. */
  readonly enters?: boolean;
  readonly binds?: readonly Bind[];
  readonly secrets?: readonly SandboxSecret[];
  /** Whether secrets are read where they come from, in the place of standard input. */
  readonly secretsAnew?: boolean;
  /** Whether the command may use the host's network; without it there is only a loopback. */
  readonly network?: boolean;
  readonly command: readonly [string, ...string[]];
  /**
   * How the end of whoever started the sandbox is noticed: standard input closes (the default), descriptor 3 closes, or
   * not at all, as unshare(1) stands in its starter's place and takes everything along.
   */
  readonly watch?: '3' | 'none';
  /** What PID 1 is called (proc_pid_comm(5)): configuration tools take it for the name of the init system. */
  readonly initName?: string;
  /** Whether the command gets standard input and the controlling terminal, with it Ctrl-C; else it has neither. */
  readonly terminal?: boolean;
}

/** A value that a command finds in the file `/run/secrets/<name>`, on no disk. */
export interface SandboxSecret {
  readonly name: string;
  /** Length of the value, which comes on standard input: the values of all secrets one after the other. */
  readonly sizeBytes: number;
  /** Where the value is had anew: an absolute path, or the name of an environment variable. */
  readonly from: {readonly file: string} | {readonly env: string};
}

/** A tools image that a command runs in, and the place of the image's tree in it. */
export interface ToolsRoot {
  /** Its layers, the topmost first, relative to the cache like those of the tree. It is read-only. */
  readonly lowers: readonly string[];
  readonly treePath: string;
  /** Whether the command enters the tree by chroot(2): then that too has /proc, /dev, /tmp, /var/tmp and /run. */
  readonly enters?: boolean;
  /** Whether the command may mount and change its root, as mmdebstrap does. */
  readonly mayMount?: boolean;
}

export interface Bind {
  readonly source: string;
  /** Absolute path in the tree; with a tools root, in that. */
  readonly path: string;
  readonly kind: 'dir' | 'file';
  readonly mode: 'ro' | 'rw';
}

export {cleanEnvironment} from './environment.ts';

export function runInSandbox(request: SandboxRequest): Promise<ProcessOutcome> {
  return runProcess(sandboxCommand(request), request);
}

/** Whether what `runProcess` was given came from `runInSandbox`: then it tells the whole sandbox. */
export function isSandboxRequest(options: RunProcessOptions): options is SandboxRequest {
  return 'lowers' in options && 'mountPoint' in options;
}

/** The argument vector that runs a request: unshare(1), init.pl, its operations, the command. */
export function sandboxCommand(request: SandboxSetup): readonly [string, ...string[]] {
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
  const {inside, mountPoint} = request;
  const tools = typeof inside === 'object' ? inside : undefined;
  operations.push('overlay', mountPoint, overlayOptions(tools ?? request), 'root', mountPoint);
  if (request.initName !== undefined) operations.push('name', request.initName);
  const isEntered = inside !== 'host' || request.enters === true;
  if (isEntered) operations.push(...systemMounts);
  operations.push(...secretOperations(request));
  if (tools !== undefined) {
    const tree = join(mountPoint, tools.treePath);
    operations.push('folder', tools.treePath, 'overlay', tree, overlayOptions(request));
    if (tools.enters === true) operations.push('root', tree, ...systemMounts, 'root', mountPoint);
    // The same files for whom the tree is entered.
    if (tools.enters === true && (request.secrets ?? []).length > 0)
      operations.push(
        ...['bind', 'dir', 'ro', join(mountPoint, secretsFolder)],
        tools.treePath + secretsFolder,
      );
  }
  for (const bind of request.binds ?? [])
    operations.push('bind', bind.kind, bind.mode, bind.source, bind.path);
  if (inside !== 'host') operations.push('pivot');
  if (tools?.mayMount === true) operations.push('may-mount');
  if (isEntered) operations.push('drop-capabilities');
  if (request.watch !== undefined) operations.push('watch', request.watch);
  if (request.terminal === true) operations.push('terminal');
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

const secretsFolder = '/run/secrets';

function secretOperations({secrets = [], secretsAnew = false, inside}: SandboxSetup): readonly string[] {
  if (inside === 'host') return [];
  return secrets.flatMap(({name, sizeBytes, from}) => {
    const path = `${secretsFolder}/${name}`;
    if (!secretsAnew) return ['secret', path, 'input', String(sizeBytes)];
    return 'file' in from ? ['secret', path, 'file', from.file] : ['secret', path, 'env', from.env];
  });
}

/** What every running system has beside its files. */
const systemMounts = [
  ...['proc', 'dev'],
  ...['tmpfs', '/tmp', '1777'],
  ...['tmpfs', '/var/tmp', '1777'],
  ...['tmpfs', '/run', '755'],
] as const;

/**
 * overlayfs's options. `userxattr` keeps its marks in user.* attributes, as only that works in a user namespace and
 * layers are to be alike; `volatile` leaves out its fsync calls, since a layer is flushed as a whole before it counts.
 */
function overlayOptions({lowers, writable}: Pick<SandboxSetup, 'lowers' | 'writable'>): string {
  // Two stages may have made the same layer, which overlayfs takes only once: the upper one hides the other wholly.
  const options = [`lowerdir=${[...new Set(lowers)].join(':')}`, 'userxattr'];
  if (writable !== undefined)
    options.push(`upperdir=${writable.upper}`, `workdir=${writable.work}`, 'volatile');
  return options.join(',');
}
