import {describe, expect, it} from 'vitest';
import {packageRoot} from '../../../src/package-root.ts';
import {CommandLog} from '../../../src/sandbox/process.ts';
import {type SandboxRequest, sandboxCommand} from '../../../src/sandbox/sandbox.ts';

const request: SandboxRequest = {
  base: '/cache',
  lowers: ['objects/b/tree', 'objects/a/tree'],
  mountPoint: 'tmp/run/merged',
  inside: 'image',
  command: ['/bin/sh', '-c', 'true'],
  log: new CommandLog('/dev/null', () => undefined),
  signal: new AbortController().signal,
};

/** The argument vector without the place of fgimage. */
function command(parts: Partial<SandboxRequest> = {}): string {
  return sandboxCommand({...request, ...parts})
    .map((word) => word.replace(packageRoot, ''))
    .join(' ');
}

describe('sandboxCommand()', () => {
  it('runs a command in an image that it can read only, without network', () => {
    expect(command()).toMatchInlineSnapshot(
      `"unshare --mount --pid --ipc --uts --fork --kill-child --propagation private --net perl /src/sandbox/init.pl chdir /cache hostname localhost loopback overlay tmp/run/merged lowerdir=objects/b/tree:objects/a/tree,userxattr root tmp/run/merged proc dev tmpfs /tmp 1777 tmpfs /var/tmp 1777 tmpfs /run 755 pivot drop-capabilities exec /bin/sh -c true"`,
    );
  });

  it('lets changes go into the upper folder', () => {
    expect(command({writable: {upper: 'tmp/run/upper', work: 'tmp/run/work'}})).toContain(
      'lowerdir=objects/b/tree:objects/a/tree,userxattr,upperdir=tmp/run/upper,workdir=tmp/run/work,volatile',
    );
  });

  it('stacks a layer once that two stages have made', () => {
    expect(command({lowers: ['shims', 'objects/b/tree', 'objects/a/tree', 'objects/b/tree']})).toContain(
      'lowerdir=shims:objects/b/tree:objects/a/tree,userxattr',
    );
  });

  it('gives a program of the host the tree at the mount point, and the network where it is asked to', () => {
    expect(command({inside: 'host', network: true})).toMatchInlineSnapshot(
      `"unshare --mount --pid --ipc --uts --fork --kill-child --propagation private perl /src/sandbox/init.pl chdir /cache hostname localhost overlay tmp/run/merged lowerdir=objects/b/tree:objects/a/tree,userxattr root tmp/run/merged exec /bin/sh -c true"`,
    );
  });

  it('runs a program of the tools image, which sees the tree and nothing of the host', () => {
    const inside = {lowers: ['objects/t/tree', 'tmp/run/empty'], treePath: '/run/fgimage/tree'};
    const binds = [{source: '/cache/work', path: '/run/fgimage/work', kind: 'dir', mode: 'rw'}] as const;
    expect(command({inside, binds})).toMatchInlineSnapshot(
      `"unshare --mount --pid --ipc --uts --fork --kill-child --propagation private --net perl /src/sandbox/init.pl chdir /cache hostname localhost loopback overlay tmp/run/merged lowerdir=objects/t/tree:tmp/run/empty,userxattr root tmp/run/merged proc dev tmpfs /tmp 1777 tmpfs /var/tmp 1777 tmpfs /run 755 folder /run/fgimage/tree overlay tmp/run/merged/run/fgimage/tree lowerdir=objects/b/tree:objects/a/tree,userxattr bind dir rw /cache/work /run/fgimage/work pivot drop-capabilities exec /bin/sh -c true"`,
    );
    expect(command({inside: {...inside, mayMount: true}})).toContain(
      ' pivot may-mount drop-capabilities exec ',
    );
  });

  it('gives the tree a system of its own where a program of the tools image enters it', () => {
    const inside = {lowers: ['objects/t/tree'], treePath: '/run/fgimage/tree', enters: true};
    expect(command({inside, initName: 'systemd'})).toContain(
      ' name systemd proc dev tmpfs /tmp 1777 tmpfs /var/tmp 1777 tmpfs /run 755 folder /run/fgimage/tree overlay tmp/run/merged/run/fgimage/tree lowerdir=objects/b/tree:objects/a/tree,userxattr root tmp/run/merged/run/fgimage/tree proc dev tmpfs /tmp 1777 tmpfs /var/tmp 1777 tmpfs /run 755 root tmp/run/merged pivot ',
    );
  });

  it('binds before the host is out of reach', () => {
    const words = command({binds: [{source: '/src', path: '/run/x', kind: 'dir', mode: 'ro'}]});
    expect(words).toContain('bind dir ro /src /run/x pivot drop-capabilities exec');
  });
});
