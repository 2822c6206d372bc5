import {expect, test} from 'vitest';
import {imagePath, size, sizeBytes, snapshotTime, uri} from '../../../src/spec/fields.ts';
import {nearest} from '../../../src/spec/nearest.ts';
import {sshKeyProblem} from '../../../src/spec/ssh-key.ts';

test.each([
  ['8GiB', 8 * 2 ** 30],
  ['8G', 8 * 2 ** 30],
  ['500MiB', 500 * 2 ** 20],
  ['1T', 2 ** 40],
])('sizeBytes(%s) is %d', (text, bytes) => {
  expect(size.safeParse(text).success).toBe(true);
  expect(sizeBytes(text)).toBe(bytes);
});

test.each(['8', '8GB', '0G', '1.5G', '-1G', '8 GiB', '8g', ''])('%j is no size', (text) => {
  expect(size.safeParse(text).success).toBe(false);
});

test.each([
  ['20260801T000000Z', '20260801T000000Z'],
  ['2026-08-01T12:30:00Z', '20260801T123000Z'],
  ['2026-02-30T00:00:00Z', undefined],
  ['20260801', undefined],
  ['2026-08-01T00:00:00+02:00', undefined],
])('snapshotTime(%s) is %s', (text, time) => {
  expect(snapshotTime(text)).toBe(time);
});

test.each(['/etc/motd', '/a', '/opt/..b/c...', '/ü'])('%s is a path in the image', (path) => {
  expect(imagePath.safeParse(path).success).toBe(true);
});

test.each(['', '/', 'etc', '/etc/', '/..', '/a/../b', '/a/.', '/./a', '//a', '/a\n', '/a//b'])(
  '%j is none',
  (path) => {
    expect(imagePath.safeParse(path).success).toBe(false);
  },
);

test.each([
  'http://mirror.example.org/debian',
  'https://[::1]:8080/',
  'file:///srv/debian',
  'copy:/srv/debian',
])('%s is an archive', (text) => {
  expect(uri(['http', 'https', 'file', 'copy']).safeParse(text).success).toBe(true);
});

test.each(['mirror.example.org', 'ftp://x', 'http://', 'http:///', 'http://a b', 'javascript:x'])(
  '%s is none',
  (text) => {
    expect(uri(['http', 'https', 'file', 'copy']).safeParse(text).success).toBe(false);
  },
);

const data = 'AAAAC3NzaC1lZDI1NTE5AAAAIAwI4o4AqCGqSR6ISBgPpzZ15kuFI1cSt4qJralB5MGf';

test.each([
  `ssh-ed25519 ${data}`,
  `ssh-ed25519 ${data} a comment`,
  `command="/bin/true x",no-pty ssh-ed25519 ${data} me`,
])('%s is a key', (key) => {
  expect(sshKeyProblem(key)).toBeUndefined();
});

test('nearest() finds a mistyped name, and none where nothing is near', () => {
  const known = ['packages', 'remove_packages', 'users', 'tests'];

  expect(nearest('pacakges', known)).toBe('packages');
  expect(nearest('remove-packages', known)).toBe('remove_packages');
  expect(nearest('user', known)).toBe('users');
  expect(nearest('firmware', known)).toBeUndefined();
});
