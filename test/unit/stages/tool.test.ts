import {describe, expect, it} from 'vitest';
import {packageRoot} from '../../../src/package-root.ts';
import {CommandLog} from '../../../src/sandbox/process.ts';
import type {StageContext} from '../../../src/stages/stage.ts';
import {runTool, type ToolCommand} from '../../../src/stages/tool.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** What is started for a request; it is killed at once, as its run has been given up. */
async function started(request: ToolCommand, toolsFrom?: string): Promise<string> {
  using cache = new TemporaryFolder({'tmp/run/key/object/tree/file': ''});
  const log = new CommandLog('/dev/null', () => undefined);
  const input = (name: string) => ({digest: name, path: cache.join('objects', name, 'tree'), result: {}});
  const context = {
    node: {
      id: 'pack:web/openstack',
      layers: ['base', 'adapt'],
      params: {source_date_epoch: 42},
      ...(toolsFrom === undefined ? {} : {toolsFrom}),
    },
    inputs: new Map(['base', 'adapt', 'tools'].map((name) => [name, input(name)])),
    store: {layout: {root: cache.path}},
    run: {path: cache.join('tmp/run')},
    work: cache.join('tmp/run/key'),
    output: cache.join('tmp/run/key/object/tree'),
    log,
    signal: AbortSignal.abort(),
    tool: (name: string) => `/usr/sbin/${name}`,
  } as unknown as StageContext;
  await runTool(context, request);
  await log.close();
  return (log.commands[0]?.command ?? [])
    .join(' ')
    .replaceAll(packageRoot, '')
    .replaceAll(cache.path, '/cache')
    .replace(/^.*--net /, '');
}

const table: ToolCommand = {
  program: 'sfdisk',
  args: (at) => ['--quiet', at('work', 'disk.raw')],
  input: (at) => at('work', 'partitions'),
};
const fileSystem: ToolCommand = {
  program: 'mke2fs',
  tree: {},
  args: (at) => ['-d', at('tree'), at('output', 'disk')],
};
const root: ToolCommand = {
  program: 'mmdebstrap',
  tree: {
    writable: true,
    binds: [{source: '/lists', path: '/var/lib/apt/lists', kind: 'dir', mode: 'rw'}],
  },
  mayMount: true,
  args: (at) => [at('tree'), at('work', 'repository')],
};

describe('runTool()', () => {
  it.each([
    [
      'a program without a tree',
      table,
      'setpriv --pdeathsig KILL -- /bin/sh -c exec "$@" < "$0" /cache/tmp/run/key/partitions /usr/sbin/sfdisk --quiet /cache/tmp/run/key/disk.raw',
    ],
    [
      'one that reads the tree',
      fileSystem,
      'perl /src/sandbox/init.pl chdir /cache hostname localhost loopback overlay tmp/run/key/merged lowerdir=objects/adapt/tree:objects/base/tree:tmp/run/empty,userxattr root tmp/run/key/merged exec /usr/sbin/mke2fs -d /cache/tmp/run/key/merged /cache/tmp/run/key/object/tree/disk',
    ],
  ])('runs the host’s own where the stage has no tools image: %s', async (_, request, expected) => {
    expect(await started(request)).toBe(expected);
  });

  const places =
    'bind dir rw /cache/tmp/run/key /run/fgimage/work bind dir rw /cache/tmp/run/key/object/tree /run/fgimage/output';
  const sandbox = (upper: string): string =>
    `perl /src/sandbox/init.pl chdir /cache hostname localhost loopback overlay tmp/run/key/merged lowerdir=objects/tools/tree:tmp/run/empty,userxattr root tmp/run/key/merged proc dev tmpfs /tmp 1777 tmpfs /var/tmp 1777 tmpfs /run 755 folder /run/fgimage/tree overlay tmp/run/key/merged/run/fgimage/tree lowerdir=objects/adapt/tree:objects/base/tree:tmp/run/empty,userxattr${upper}`;

  it.each([
    [
      'without a tree',
      table,
      `${sandbox('')} ${places} pivot drop-capabilities exec /bin/sh -c exec "$@" < "$0" /run/fgimage/work/partitions sfdisk --quiet /run/fgimage/work/disk.raw`,
    ],
    [
      'that reads the tree',
      fileSystem,
      `${sandbox('')} ${places} pivot drop-capabilities exec mke2fs -d /run/fgimage/tree /run/fgimage/output/disk`,
    ],
    [
      'that makes a root',
      root,
      `${sandbox(',upperdir=tmp/run/key/object/tree,workdir=tmp/run/key/overlay/N,volatile')} bind dir rw /cache/tmp/run/key /run/fgimage/work bind dir rw /lists /run/fgimage/tree/var/lib/apt/lists pivot may-mount drop-capabilities exec mmdebstrap /run/fgimage/tree /run/fgimage/work/repository`,
    ],
  ])(
    'runs a program of the tools image, which is told no path of the host: %s',
    async (_, request, expected) => {
      const command = await started(request, 'tools');
      expect(command.replace(/overlay\/\d+/, 'overlay/N')).toBe(expected);
    },
  );
});
