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

  it('gives a program of the host the tree at the mount point, and the network where it is asked to', () => {
    expect(command({inside: 'host', network: true})).toMatchInlineSnapshot(
      `"unshare --mount --pid --ipc --uts --fork --kill-child --propagation private perl /src/sandbox/init.pl chdir /cache hostname localhost overlay tmp/run/merged lowerdir=objects/b/tree:objects/a/tree,userxattr root tmp/run/merged exec /bin/sh -c true"`,
    );
  });

  it('binds before the host is out of reach', () => {
    const words = command({binds: [{source: '/src', path: '/run/x', kind: 'dir', mode: 'ro'}]});
    expect(words).toContain('bind dir ro /src /run/x pivot drop-capabilities exec');
  });
});
