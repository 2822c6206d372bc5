import {mkdirSync, readFileSync, rmSync} from 'node:fs';
import {join, relative} from 'node:path';
import {debFileName} from '../lock/lock.ts';
import {packageRoot} from '../package-root.ts';
import type {LockedInstall} from '../plan/graph.ts';
import {fail, ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {type Bind, runInSandbox} from '../sandbox/sandbox.ts';
import {keepPackages, linkCachedPackages} from './apt.ts';
import {type AptSource, sourceLines} from './apt-sources.ts';
import {hostEnvironment} from './host-command.ts';
import {requiredInput} from './inputs.ts';
import {differenceToLock, linkPool, makeRepository, repositoryFolder} from './local-repository.ts';
import type {StageContext, StageRunner} from './stage.ts';
import {runTool} from './tool.ts';
import {commandResult, mountPoint, runInTree, scratchFile, sourceDateEpoch} from './tree.ts';

/** The parameters of a base. */
interface BaseParams {
  readonly release: string;
  readonly architecture: string;
  readonly variant: string;
  readonly packages: readonly string[];
  readonly image_sources: ImageSources;
}

interface ImageSources {
  readonly suites: readonly string[];
  readonly security_suite: string;
  readonly components: readonly string[];
  /** sources.list(5), what stands in brackets. */
  readonly options: readonly string[];
  /** The project's key of the archive, and where the image is to have it. */
  readonly key?: string;
  readonly key_path?: string;
  /** Roots of the archives, where the spec names them. */
  readonly main?: string;
  readonly security?: string;
}

/**
 * The root of a distribution, by mmdebstrap: essential and required packages, apt, an init system. Shared by every
 * image with the same OS. The tools image is one too.
 */
export const runBase: StageRunner = async (context) => {
  const {locked} = context.node;
  const archives = join(context.work, 'archives');
  mkdirSync(join(archives, 'partial'), {recursive: true});
  const made =
    locked === undefined
      ? await bootstrapFromArchive(context, archives)
      : await bootstrapFromLock(context, locked, archives);
  if (!made.ok) return fail({failure: made.error});
  const finished = await finishTree(context);
  if (!finished.ok) return fail({failure: finished.error});
  if (locked !== undefined) {
    const other = differenceToLock(finished.value, locked.packages.map(debFileName));
    if (other !== undefined) return fail({failure: other});
  }
  for (const name of ['var/cache/apt/archives/partial', 'dev', 'run'])
    rmSync(join(context.output, name), {recursive: true, force: true});
  // Empty: mmdebstrap makes device nodes where it may, which an ordinary user may not; every system mounts its own, as it does /run.
  for (const name of ['dev', 'run']) mkdirSync(join(context.output, name));
  return ok({result: {}});
};

/** mmdebstrap asks the archive, by the package lists that its stage has. */
async function bootstrapFromArchive(
  context: StageContext,
  archives: string,
): Promise<Result<void, StageFailure>> {
  if (context.offline) return fail(offlineWithoutLock);
  const params = context.node.params as unknown as BaseParams;
  const sources = context.node.params['sources'] as unknown as readonly AptSource[];
  const cacheRoot = context.store.layout.root;
  const merged = mountPoint(context);
  // mmdebstrap's own temporary folders go with the stage's work, however it ends.
  const temporary = join(context.work, 'temporary');
  for (const folder of [merged, join(context.work, 'lower'), join(context.work, 'overlay'), temporary])
    mkdirSync(folder, {recursive: true});
  linkCachedPackages(context.store.layout.packages, archives);
  // Its stage has verified the lists. A key that only the project has is of no path that mmdebstrap could be told.
  const keyed = sources.every((one) => !one.project_key);
  const sourceFile = scratchFile(
    context,
    'sources.list',
    keyed ? sourceLines(sources, (key) => key) : sourceLines(sources),
  );
  const fromCache = (path: string): string => relative(cacheRoot, path);
  const archive = requiredInput(context, context.node.dependsOn[0] ?? '');
  const outcome = await runInSandbox({
    base: cacheRoot,
    lowers: [fromCache(join(context.work, 'lower'))],
    writable: {upper: fromCache(context.output), work: fromCache(join(context.work, 'overlay'))},
    mountPoint: fromCache(merged),
    inside: 'host',
    network: true,
    binds: [
      {source: join(archive.path, 'lists'), path: '/var/lib/apt/lists', kind: 'dir', mode: 'ro'},
      {source: archives, path: '/var/cache/apt/archives', kind: 'dir', mode: 'rw'},
    ],
    command: [
      context.tool('mmdebstrap'),
      ...mmdebstrapOptions(params),
      '--skip=update',
      params.release,
      merged,
      sourceFile,
    ],
    env: {...hostEnvironment(), TMPDIR: temporary, SOURCE_DATE_EPOCH: String(sourceDateEpoch(context))},
    log: context.log,
    signal: context.signal,
    onLine: reportStep(context),
  });
  keepPackages(archives, context.store.layout.packages);
  return commandResult(context, {outcome, shown: ['mmdebstrap', params.release]});
}

/** mmdebstrap of the tools image, or the host's, finds a repository with what the lock names and nothing else. */
async function bootstrapFromLock(
  context: StageContext,
  locked: LockedInstall,
  archives: string,
): Promise<Result<void, StageFailure>> {
  const params = context.node.params as unknown as BaseParams;
  const made = await makeRepository(context, locked);
  if (!made.ok) return made;
  const {pool, sourceLine} = made.value;
  linkPool(locked, pool, archives);
  const lists = join(context.work, 'lists');
  mkdirSync(join(lists, 'partial'), {recursive: true});
  return runTool(context, {
    program: 'mmdebstrap',
    tree: {
      writable: true,
      binds: [
        {source: lists, path: '/var/lib/apt/lists', kind: 'dir', mode: 'rw'},
        {source: archives, path: '/var/cache/apt/archives', kind: 'dir', mode: 'rw'},
      ],
    },
    mayMount: true,
    args: (at) => [
      ...mmdebstrapOptions(params),
      params.release,
      at('tree'),
      sourceLine(at('work', repositoryFolder)).trim(),
    ],
    shown: ['mmdebstrap', params.release],
    onLine: reportStep(context),
  });
}

function mmdebstrapOptions({variant, architecture, packages}: BaseParams): readonly string[] {
  return [
    '--mode=root',
    '--format=directory',
    `--variant=${variant}`,
    `--architectures=${architecture}`,
    ...[
      'check/empty',
      'download/empty',
      'essential/unlink',
      'cleanup/apt',
      'output/dev',
      'chroot/mount/sys',
      // What runs programs of another architecture was looked at before anything ran.
      'check/qemu',
    ].map((step) => `--skip=${step}`),
    '--dpkgopt=force-unsafe-io',
    `--include=${packages.join(',')}`,
  ];
}

function reportStep(context: StageContext): (line: string) => boolean {
  return (line) => {
    const step = /^I: (?<step>[a-z].*)$/.exec(line)?.groups?.['step'];
    if (step !== undefined && !step.startsWith('skipping')) context.progress(step.replace(/\.+$/, ''));
    return true;
  };
}

const offlineWithoutLock: StageFailure = {
  reason: 'refused',
  message: 'A base is not in the cache, and without fgimage.lock it cannot be made offline',
  hint: 'Make a lock with "fgimage lock", bring its packages with "fgimage fetch"; then "fgimage build --offline" works',
};

/** Cleans the tree, writes its package sources, and tells what is installed in it, as `debFileName` has it. */
async function finishTree(context: StageContext): Promise<Result<readonly string[], StageFailure>> {
  const {image_sources: sources, release} = context.node.params as unknown as BaseParams;
  const {main = '', security = '', key, key_path: keyPath} = sources;
  const keyBind: readonly Bind[] =
    key === undefined
      ? []
      : [{source: join(context.projectDir, key), path: '/run/fgimage/archive-key', kind: 'file', mode: 'ro'}];
  const installed: string[] = [];
  const script = readFileSync(join(packageRoot, 'src/stages/scripts/image-sources.sh'), 'utf8');
  const done = await runInTree(
    {...context, node: {...context.node, layers: []}},
    {
      command: [
        '/bin/sh',
        '-c',
        `${cleanScript}\n${script}`,
        'sh',
        keyPath ?? '',
        sources.options.join(' '),
        sources.components.join(' '),
        main,
        security,
        sources.security_suite,
        ...sources.suites,
      ],
      binds: keyBind,
      shown: ['finish', release],
      writable: true,
      onLine: (line) => {
        const [mark, name = '', version = '', architecture = ''] = line.split('\t');
        if (mark !== 'installed') return true;
        installed.push(debFileName({name, version, architecture}));
        return false;
      },
    },
  );
  return done.ok ? ok(installed) : done;
}

/** What mmdebstrap takes over from the host and what names the moment of the build. */
const cleanScript = `
set -e
dpkg-query -W -f 'installed\\t\${Package}\\t\${Version}\\t\${Architecture}\\n'
rm -f /etc/resolv.conf /etc/hostname /etc/machine-id /var/lib/dbus/machine-id
rm -f /var/log/*.log /var/log/apt/* /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
: > /etc/machine-id
chmod 0444 /etc/machine-id
# In the order in which packages were unpacked, which is another with each apt; dpkg looks names up in it.
LC_ALL=C sort -o /var/lib/dpkg/triggers/File /var/lib/dpkg/triggers/File
`;
