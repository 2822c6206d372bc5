import {describe, expect, test} from 'vitest';
import type {ImageTest} from '../../../src/spec/image.ts';
import {builtInChecks} from '../../../src/stages/test/built-in-checks.ts';
import type {Verdict} from '../../../src/stages/test/check.ts';
import {specCheck} from '../../../src/stages/test/spec-checks.ts';

type Seen = Readonly<Record<string, string>>;

function judgeTest(imageTest: ImageTest, seen: Seen): Verdict {
  return specCheck(imageTest).judge(new Map(Object.entries(seen)));
}

function judgeBuiltIn(kind: string, seen: Seen): Verdict {
  const answerer = {address: '10.0.2.2', port: 8080, path: '/ping'};
  const checks = [...builtInChecks('disk', answerer), ...builtInChecks('netboot', answerer)];
  const check = checks.find(({request}) => request.kind === kind);
  if (check === undefined) throw new Error(`There is no check of ${kind}`);
  return check.judge(new Map(Object.entries(seen)));
}

describe('specCheck()', () => {
  test.each<[ImageTest, string]>([
    [{kind: 'command', command: 'id\n alice', exit_status: 0, stdout: []}, 'command: id alice'],
    [
      {kind: 'service', service: 'ssh', running: true, enabled: false},
      'service: ssh is running and not enabled',
    ],
    [{kind: 'port', port: 22, protocol: 'tcp', listening: true}, 'port: 22/tcp is listening'],
    [{kind: 'file', file: '/etc/motd', exists: true, contains: []}, 'file: /etc/motd'],
  ])('names %j', (imageTest, name) => {
    expect(specCheck(imageTest).name).toBe(name);
  });

  test('asks for a port in the spelling of /proc/net', () => {
    const {request} = specCheck({kind: 'port', port: 22, protocol: 'udp', listening: false});

    expect(request.words).toEqual(['udp', '0016', 'no']);
  });

  const command: ImageTest = {kind: 'command', command: 'id', exit_status: 0, stdout: ['uid=', 'gid=']};

  test.each<[Seen, string | undefined]>([
    [{status: '0', found: '11'}, undefined],
    [{status: '1', found: '11', stderr: 'no such\nuser'}, 'exit status 1, not 0: no such user'],
    [{status: '0', found: '10', stdout: 'uid=0\n'}, 'stdout lacks "gid="; it is: uid=0'],
    [{status: '0', found: ''}, 'stdout lacks "uid="; it is: nothing; stdout lacks "gid="; it is: nothing'],
    [{status: '124', found: '00'}, 'it did not end within 120 s'],
  ])('judges a command that gave %j', (seen, detail) => {
    expect(judgeTest(command, seen).detail).toBe(detail);
    expect(judgeTest(command, seen).passed).toBe(detail === undefined);
  });

  const file: ImageTest = {
    kind: 'file',
    file: '/etc/motd',
    exists: true,
    contains: ['hello'],
    owner: 'root:0',
    permissions: '0644',
  };
  const good = {exists: 'yes', owner: 'root:root', ids: '0:0', permissions: '644', found: '1'};

  test.each<[Seen, string | undefined]>([
    [good, undefined],
    [{exists: 'no'}, 'it does not exist'],
    [{...good, found: '0'}, 'it lacks "hello"'],
    [{...good, owner: 'alice:root', ids: '1000:0'}, 'its owner is alice:root'],
    [{...good, permissions: '4755'}, 'its permissions are 4755'],
  ])('judges a file that is %j', (seen, detail) => {
    expect(judgeTest(file, seen).detail).toBe(detail);
  });

  test('judges services and ports both ways', () => {
    const stopped: ImageTest = {kind: 'service', service: 'a', running: false, enabled: false};
    const closed: ImageTest = {kind: 'port', port: 80, protocol: 'tcp', listening: false};

    expect(judgeTest(stopped, {active: 'inactive', enabled: 'masked'}).passed).toBe(true);
    expect(judgeTest(stopped, {active: 'active', enabled: 'enabled'}).detail).toBe(
      'it is active: ; it is enabled',
    );
    expect(judgeTest(closed, {listening: 'no'}).passed).toBe(true);
    expect(judgeTest(closed, {listening: 'yes'}).detail).toBe('something listens');
  });

  test('takes no answer for no success', () => {
    for (const imageTest of [command, file]) expect(judgeTest(imageTest, {}).passed).toBe(false);
  });
});

describe('builtInChecks()', () => {
  const sector = 512;
  const gibibyte = 1024 ** 3;
  const root = {start: '2048', source: '/dev/vda1'};
  const sectors = (gibibytes: number): string => String((gibibytes * gibibyte) / sector);
  const kib = (gibibytes: number): string => String((gibibytes * gibibyte) / 1024);

  test.each<[string, Seen, string | undefined]>([
    ['system', {state: 'running', target: 'multi-user.target', active: 'active'}, 'multi-user.target'],
    ['system', {state: 'starting', jobs: 'a.service\nb.service'}, 'still waiting for a.service b.service'],
    [
      'system',
      {state: 'maintenance', target: 'multi-user.target', active: 'inactive'},
      'multi-user.target is inactive',
    ],
    ['units', {failed: ''}, undefined],
    ['units', {failed: 'a.service', why: 'a.service: no such file\n'}, 'a.service: no such file'],
    ['network', {route: 'yes', answer: 'HTTP/1.1 200 OK'}, undefined],
    ['network', {route: 'no'}, 'there is no default route'],
    ['network', {route: 'yes', error: 'Connection refused'}, 'the host did not answer: Connection refused'],
    ['identity', {id: '0123456789abcdef0123456789abcdef\n'}, undefined],
    ['identity', {id: 'uninitialized\n'}, '/etc/machine-id holds "uninitialized"'],
    ['host_keys', {server: 'yes', keys: '2', oldest: '1010', boot: '1000'}, undefined],
    ['host_keys', {server: 'yes', keys: '0', boot: '1000'}, 'the SSH server has no host key'],
    [
      'host_keys',
      {server: 'yes', keys: '1', oldest: '400', boot: '1000'},
      'a host key is 600 s older than the boot: it is in the image',
    ],
    ['host_keys', {server: 'no'}, 'no SSH server'],
    ['cloud_init', {status: 'status: done\ntime: now'}, undefined],
    ['cloud_init', {status: 'absent'}, 'no cloud-init'],
    ['cloud_init', {status: 'status: error\ndetail: x'}, 'status: error detail: x'],
    ['root', {...root, partition: sectors(3.99), disk: sectors(4), kib: kib(3.8)}, undefined],
    [
      'root',
      {...root, partition: sectors(1.9), disk: sectors(4), kib: kib(1.8)},
      'the partition ends at 1947 MiB of 4096 MiB',
    ],
    [
      'root',
      {...root, partition: sectors(3.99), disk: sectors(4), kib: kib(1.8)},
      "the file system has 1843 MiB of the partition's 4086 MiB",
    ],
    [
      'root',
      {source: '/dev/vda', start: '0', partition: sectors(4), disk: sectors(4), kib: kib(3.8)},
      undefined,
    ],
    [
      'root',
      {source: '/dev/vda', start: '0', partition: sectors(4), disk: sectors(4), kib: kib(1.8)},
      "the file system has 1843 MiB of the partition's 4096 MiB",
    ],
    ['root', {source: 'overlay'}, 'the root is on overlay, not on a disk or a partition'],
    [
      'mounts',
      {mounts: '/run/live/medium ramfs\n/run/live/rootfs/a squashfs\n/ overlay', writable: 'yes'},
      undefined,
    ],
    [
      'mounts',
      {mounts: '/ ext4', writable: 'yes'},
      'the root is ext4, not an overlay; no read-only root image is mounted; the root image is not in RAM; also mounted: / ext4',
    ],
  ])('judges %s of %j', (kind, seen, detail) => {
    expect(judgeBuiltIn(kind, seen).detail).toBe(detail);
  });

  test.each(['system', 'units', 'network', 'identity', 'host_keys', 'cloud_init', 'root', 'mounts'])(
    'never takes an empty answer of %s for a success',
    (kind) => {
      expect(judgeBuiltIn(kind, {}).passed).toBe(false);
    },
  );
});
