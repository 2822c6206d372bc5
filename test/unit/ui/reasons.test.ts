import {expect, it} from 'vitest';
import {type Reason, type ReasonCode, reasonFields} from '../../../src/plan/explain-reason.ts';
import {formatReason} from '../../../src/ui/reasons.ts';

const at = Date.UTC(2026, 10, 20, 14, 2, 59);
const position = {file: 'fgimage.yaml', line: 7, column: 5};
const a = `3f2a91c0${'a'.repeat(56)}`;
const b = `77b1e0aa${'b'.repeat(56)}`;

const reasons: readonly Reason[] = [
  {reason: 'never-built'},
  {reason: 'no-record', run: '20261120-140259-1a2b'},
  {reason: 'evicted', at, why: 'max-size'},
  {reason: 'content-missing'},
  {reason: 'corrupt', at},
  {reason: 'not-durable'},
  {reason: 'untrusted'},
  {reason: 'forced'},
  {reason: 'cache-off'},
  {reason: 'tool-missing', tool: 'mksquashfs'},
  {reason: 'upstream-runs', stage: 'customize:web/packages'},
  {reason: 'key-schema'},
  {reason: 'package-added', package: 'jq', list: 'install', position},
  {reason: 'package-removed', package: 'jq=1.6-2.1', list: 'install'},
  {reason: 'package-added', package: 'nano', list: 'remove', position},
  {reason: 'package-changed', package: 'jq', list: 'install', was: '1.6-2.1', is: '1.7.1-3', position},
  {reason: 'package-changed', package: 'jq', list: 'install', is: '1.7.1-3'},
  {reason: 'option-added', option: 'hostname', is: 'web', position},
  {reason: 'option-removed', option: 'users[1].gecos', was: 'Second operator', position},
  {reason: 'option-changed', option: 'targets.openstack.format', was: 'qcow2', is: 'raw', position},
  {reason: 'option-changed', option: 'storage.size_bytes', was: 1024, is: 2048},
  {reason: 'option-changed', option: 'services', was: {enable: ['ssh.service']}, is: {enable: []}},
  {reason: 'file-added', path: 'site/index.html', is: a},
  {reason: 'file-removed', path: 'site/index.html', was: a},
  {reason: 'file-changed', path: 'setup.sh', was: a, is: b},
  {reason: 'file-changed', path: 'setup.sh', was: a, is: `${a}+x`},
  {reason: 'file-changed', path: 'setup.sh', was: `${a}+x`, is: a},
  {reason: 'tool-added', tool: 'qemu-img', is: `qemu-img version 7.2.19 sha256:${a}`},
  {reason: 'tool-removed', tool: 'qemu-img', was: `sha256:${a}`},
  {
    reason: 'tool-changed',
    tool: 'qemu-img',
    was: `qemu-img version 7.2.19 sha256:${a}`,
    is: `qemu-img version 7.2.20 sha256:${b}`,
  },
  {
    reason: 'tool-changed',
    tool: 'qemu-img',
    was: `qemu-img version 7.2.19 sha256:${a}`,
    is: `qemu-img version 7.2.19 sha256:${b}`,
  },
  {reason: 'tool-changed', tool: 'mmd', was: a, is: b},
  {reason: 'environment-changed', name: 'SOURCE_DATE_EPOCH', was: '1', is: '2'},
  {reason: 'environment-changed', name: 'LANG', is: 'C.UTF-8'},
  {reason: 'environment-changed', name: 'LANG', was: 'C.UTF-8'},
  {reason: 'salt', was: 'a', is: 'b'},
  {reason: 'salt', is: 'after the incident'},
  {reason: 'implementation', of: 'stage', was: 1, is: 2},
  {reason: 'implementation', of: 'target', was: 1, is: 2},
  {reason: 'kind', was: 'packages', is: 'settings'},
  {reason: 'upstream-added', stage: 'customize:web/users', is: a},
  {reason: 'upstream-removed', stage: 'customize:web/users', was: a},
  {reason: 'upstream-changed', stage: 'customize:web/packages', was: a, is: b},
  {reason: 'upstream-order', was: ['a:1', 'b:1'], is: ['b:1', 'a:1']},
];

it('tells every reason in one line', () => {
  expect(reasons.map(formatReason).join('\n')).toMatchInlineSnapshot(`
    "never built
    run 20261120-140259-1a2b began it and did not finish
    evicted by gc on 2026-11-20 14:02 UTC: max-size
    its content is gone from the cache
    its content was damaged, and put aside on 2026-11-20 14:02 UTC
    the machine stopped before its content was safely on the disk
    what is known of it was signed by a key that this build does not trust
    forced
    the cache is off
    the host lacks mksquashfs
    waits for customize:web/packages, which runs
    recorded by another version of fgimage, which made keys in another way
    package added: jq (fgimage.yaml:7:5)
    package removed: jq=1.6-2.1
    package to remove added: nano (fgimage.yaml:7:5)
    package changed: jq 1.6-2.1 → 1.7.1-3 (fgimage.yaml:7:5)
    package changed: jq any version → 1.7.1-3
    hostname: added web (fgimage.yaml:7:5)
    users[1].gecos: removed "Second operator" (fgimage.yaml:7:5)
    targets.openstack.format: qcow2 → raw (fgimage.yaml:7:5)
    storage.size_bytes: 1024 → 2048
    services: {"enable":["ssh.service"]} → {"enable":[]}
    file added: site/index.html (3f2a91c0…)
    file removed: site/index.html (3f2a91c0…)
    file changed: setup.sh (3f2a91c0… → 77b1e0aa…)
    file changed: setup.sh (now executable)
    file changed: setup.sh (no longer executable)
    tool added: qemu-img (qemu-img version 7.2.19)
    tool removed: qemu-img
    tool changed: qemu-img (qemu-img version 7.2.19 → qemu-img version 7.2.20)
    tool changed: qemu-img (qemu-img version 7.2.19, sha256 3f2a91c0… → 77b1e0aa…)
    tool changed: mmd (sha256 3f2a91c0… → 77b1e0aa…)
    environment SOURCE_DATE_EPOCH: 1 → 2
    environment LANG: added C.UTF-8
    environment LANG: removed C.UTF-8
    cache.salt: a → b
    cache.salt: added "after the incident"
    version of the stage's code: 1 → 2
    version of the target's code: 1 → 2
    kind of stage: packages → settings
    upstream added: customize:web/users (3f2a91c0…)
    upstream removed: customize:web/users (3f2a91c0…)
    upstream changed: customize:web/packages (3f2a91c0… → 77b1e0aa…)
    upstream order: a:1, b:1 → b:1, a:1"
  `);
  const told = new Set(reasons.map(({reason}) => reason));
  expect((Object.keys(reasonFields) as ReasonCode[]).filter((code) => !told.has(code))).toEqual([]);
});

function changed(was: string, is: string, option = 'write_files[0].content'): string {
  return formatReason({reason: 'option-changed', option, was, is});
}

it('shortens long values to where they begin to differ', () => {
  const script = `set -eu\n${'true\n'.repeat(40)}`;
  expect(changed(`${script}date`, `${script}whoami`)).toMatchInlineSnapshot(
    `"write_files[0].content: "…e\\ntrue\\ntrue\\ndate" → "…e\\ntrue\\ntrue\\nwhoami""`,
  );
  expect(changed('a'.repeat(200), 'b'.repeat(200))).toMatchInlineSnapshot(
    `"write_files[0].content: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa… → bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb…"`,
  );
  expect(changed('short', 'x'.repeat(200))).toMatchInlineSnapshot(
    `"write_files[0].content: short → xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"`,
  );
});

it('shows no escape sequences and no second line', () => {
  const reason: Reason = {
    reason: 'option-changed',
    option: 'users[0].gecos\u001B[31m',
    was: 'a\r\nb',
    is: '\u001B]0;title\u0007c\u202E',
    position: {...position, file: 'a\u001B[2Jb.yaml'},
  };
  expect(formatReason(reason)).toMatchInlineSnapshot(
    `"users[0].gecos: "a\\r\\nb" → "\\u001b]0;title\\u0007c" (ab.yaml:7:5)"`,
  );
  expect(
    formatReason({reason: 'file-changed', path: 'a\nb\u001B[0m', was: '\u001B[1m', is: 'b'}),
  ).toMatchInlineSnapshot(`"file changed: "a\\nb\\u001b[0m" ( → b)"`);
});

it.each([
  ['users[0].hashed_passwd', '$y$j9T$abcdefgh', '$y$j9T$ijklmnop'],
  ['targets.registry.password', 'one', 'two'],
  ['targets.registry.api_token', 'one', 'two'],
  ['targets.registry.secret_key', 'one', 'two'],
  ['targets.registry.tls_key', 'one', 'two'],
  ['write_files[0].content_base64', 'b25l', 'dHdv'],
  [
    'write_files[0].content',
    '-----BEGIN OPENSSH PRIVATE KEY-----\none',
    '-----BEGIN OPENSSH PRIVATE KEY-----\ntwo',
  ],
])('hides the values of %s', (option, was, is) => {
  expect(changed(was, is, option)).toBe(`${option}: (changed)`);
  expect(formatReason({reason: 'environment-changed', name: 'PIP_TOKEN', was, is})).toBe(
    'environment PIP_TOKEN: (changed)',
  );
});

it('hides secrets inside values', () => {
  const is = {name: 'ops', hashed_passwd: '$y$j9T$abcdefgh', ssh_authorized_keys: ['ssh-ed25519 AAAA']};
  expect(formatReason({reason: 'option-added', option: 'users[0]', is})).toMatchInlineSnapshot(
    `"users[0]: added {"name":"ops","hashed_passwd":"(secret)","ssh_a…"`,
  );
  expect(
    changed('http://me:pw@mirror.example.org/a', 'http://mirror.example.org/a', 'os.mirror'),
  ).toMatchInlineSnapshot(
    `"os.mirror: "http://(secret)@mirror.example.org/a" → http://mirror.example.org/a"`,
  );
  expect(
    changed("echo 'root:$6$abc$defghijk' | chpasswd -e", 'export API_TOKEN=abc', 'provision[0].inline'),
  ).toMatchInlineSnapshot(
    `"provision[0].inline: "echo 'root:(secret)' | chpasswd -e" → "export API_TOKEN=(secret)""`,
  );
});

it('shows switches and numbers whatever their names', () => {
  const reason = {reason: 'option-changed', option: 'users[0].lock_passwd', was: true, is: false} as const;
  expect(formatReason(reason)).toBe('users[0].lock_passwd: true → false');
});
