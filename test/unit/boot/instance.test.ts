import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {writeDisc} from '../../../src/stages/test/disc.ts';
import {makeIdentity} from '../../../src/stages/test/instance.ts';
import {
  hostNameCheck,
  type KeyOwner,
  keyCheck,
  loginUser,
  userDataCheck,
} from '../../../src/stages/test/instance-checks.ts';
import {privateNetwork} from '../../../src/stages/test/network.ts';
import type {Identity} from '../../../src/stages/test/platforms/platform.ts';

let folder = '';
const signal = new AbortController().signal;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-instance-'));
});

afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
});

describe('makeIdentity()', () => {
  it('makes an id, a name, an address and a key that nobody else has or can read', async () => {
    const identity = await makeIdentity(folder, {network: privateNetwork, signal});
    expect(identity.id).toMatch(/^[0-9a-f]{17}$/);
    expect(identity.hostName).toBe(`fgi-${identity.id.slice(0, 8)}`);
    expect(identity.macAddress).toMatch(/^52:54:00(:[0-9a-f]{2}){3}$/);
    expect(identity.publicKey).toMatch(/^ssh-ed25519 \S+ fgimage$/);
    expect(statSync(identity.keyPath).mode & 0o777).toBe(0o600);
    const derived = execFileSync('ssh-keygen', ['-y', '-f', identity.keyPath], {encoding: 'utf8'});
    expect(derived.trim().split(' ', 2)).toEqual(identity.publicKey.split(' ', 2));
  });
});

describe('writeDisc()', () => {
  it('writes label, names in lower case and folders', async () => {
    const disc = join(folder, 'a disc.iso');
    const files = {'context.sh': "A='b'\n", 'openstack/latest/meta_data.json': '{}'};
    await writeDisc(disc, {label: 'config-2', drive: 'disk', files}, signal);
    expect(readFileSync(disc).subarray(32_808, 32_840).toString('latin1').trim()).toBe('config-2');
    execFileSync('xorriso', ['-osirrox', 'on', '-indev', disc, '-extract', '/', join(folder, 'out')], {
      stdio: 'ignore',
    });
    for (const [name, text] of Object.entries(files))
      expect(readFileSync(join(folder, 'out', name), 'utf8')).toBe(text);
  });
});

const identity: Identity = {
  id: '0123456789abcdef0',
  hostName: 'fgi-01234567',
  publicKey: 'ssh-ed25519 AAAA fgimage',
  macAddress: '52:54:00:01:23:45',
  network: privateNetwork,
};

describe('keyCheck()', () => {
  it.each<[KeyOwner, string, {passed: boolean; detail?: string}, string | undefined]>([
    ['user', 'debian', {passed: true, detail: 'of debian'}, 'debian'],
    ['user', 'root\nalice', {passed: true, detail: 'of alice'}, 'alice'],
    ['user', 'root', {passed: false, detail: 'root has it, and no ordinary user'}, undefined],
    ['root', 'root\ndebian', {passed: true, detail: 'of root'}, 'root'],
    ['root', 'debian', {passed: false, detail: 'debian has it, and not root'}, undefined],
    ['any', 'root', {passed: true, detail: 'of root'}, 'root'],
    ['user', '', {passed: false, detail: 'no user has it'}, undefined],
    // Not what a guest may call a user that this host hands to ssh.
    ['any', '-oProxyCommand=id', {passed: false, detail: 'no user has it'}, undefined],
  ])('for %s, held by %j', (owner, users, verdict, user) => {
    const facts = new Map([['users', users]]);
    expect(keyCheck(identity, owner).judge(facts)).toEqual(verdict);
    expect(loginUser(facts, owner)).toBe(user);
  });
});

describe('hostNameCheck() and userDataCheck()', () => {
  it.each([
    ['fgi-01234567', true],
    ['fgi-01234567.novalocal', true],
    ['fgi-012345678', false],
    ['debian', false],
  ])('take the name %s: %s', (name, passed) => {
    expect(hostNameCheck(identity).judge(new Map([['name', name]])).passed).toBe(passed);
  });

  it.each([
    ['0123456789abcdef0\n', {passed: true}],
    ['', {passed: false, detail: 'they left nothing behind'}],
    ['f', {passed: false, detail: 'they are those of another instance'}],
  ])('take the mark %j', (mark, verdict) => {
    expect(userDataCheck(identity).judge(new Map([['mark', mark]]))).toEqual(verdict);
  });
});
