import {mkdirSync, rmSync} from 'node:fs';
import {join, relative} from 'node:path';
import {fail, ok} from '../result.ts';
import {runInSandbox} from '../sandbox/sandbox.ts';
import {keepPackages, linkCachedPackages} from './apt.ts';
import {type AptSource, sourceLines} from './apt-sources.ts';
import {hostEnvironment} from './host-command.ts';
import {requiredInput} from './inputs.ts';
import type {StageRunner} from './stage.ts';
import {commandResult, mountPoint, runInTree, scratchFile, sourceDateEpoch} from './tree.ts';

/**
 * The root of a distribution, by mmdebstrap: essential and required packages, apt, an init system. Shared by every
 * image with the same OS.
 */
export const runBase: StageRunner = async (context) => {
  const params = context.node.params as {
    release: string;
    architecture: string;
    variant: string;
    packages: readonly string[];
  };
  const sources = context.node.params['sources'] as unknown as readonly AptSource[];
  const cacheRoot = context.store.layout.root;
  const archives = join(context.work, 'archives');
  const merged = mountPoint(context);
  for (const folder of [
    join(archives, 'partial'),
    merged,
    join(context.work, 'lower'),
    join(context.work, 'overlay'),
  ])
    mkdirSync(folder, {recursive: true});
  linkCachedPackages(context.store.layout.packages, archives);
  const sourceFile = scratchFile(
    context,
    'sources.list',
    sourceLines(sources, (key) => key),
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
      '--mode=root',
      '--format=directory',
      `--variant=${params.variant}`,
      `--architectures=${params.architecture}`,
      ...[
        'update',
        'check/empty',
        'download/empty',
        'essential/unlink',
        'cleanup/apt',
        'output/dev',
        'chroot/mount/sys',
      ].map((step) => `--skip=${step}`),
      '--dpkgopt=force-unsafe-io',
      `--include=${params.packages.join(',')}`,
      params.release,
      merged,
      sourceFile,
    ],
    env: {...hostEnvironment(), SOURCE_DATE_EPOCH: String(sourceDateEpoch(context))},
    log: context.log,
    signal: context.signal,
    onLine: (line) => {
      const step = /^I: (?<step>[a-z].*)$/.exec(line)?.groups?.['step'];
      if (step !== undefined && !step.startsWith('skipping')) context.progress(step.replace(/\.+$/, ''));
      return true;
    },
  });
  keepPackages(archives, context.store.layout.packages);
  const made = commandResult(context, {outcome, shown: ['mmdebstrap', params.release]});
  if (!made.ok) return fail({failure: made.error});
  const cleaned = await runInTree(
    {...context, node: {...context.node, layers: []}},
    {
      command: ['/bin/sh', '-c', cleanScript],
      writable: true,
    },
  );
  if (!cleaned.ok) return fail({failure: cleaned.error});
  for (const name of ['var/cache/apt/archives/partial', 'dev', 'run'])
    rmSync(join(context.output, name), {recursive: true, force: true});
  // Empty: mmdebstrap makes device nodes where it may, which an ordinary user may not; every system mounts its own, as it does /run.
  for (const name of ['dev', 'run']) mkdirSync(join(context.output, name));
  return ok({result: {}});
};

/** What mmdebstrap takes over from the host and what names the moment of the build. */
const cleanScript = `
set -e
rm -f /etc/resolv.conf /etc/hostname /etc/machine-id /var/lib/dbus/machine-id
rm -f /var/log/*.log /var/log/apt/* /var/cache/ldconfig/aux-cache /var/cache/apt/*.bin
rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
: > /etc/machine-id
chmod 0444 /etc/machine-id
`;
