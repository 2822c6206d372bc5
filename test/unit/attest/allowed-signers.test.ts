import {spawnSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {findAllowed, readAllowedSigners} from '../../../src/attest/allowed-signers.ts';
import {matchesList} from '../../../src/attest/patterns.ts';
import {publicKeyLine, publicKeyOf} from '../../../src/attest/public-key.ts';
import {readSigner} from '../../../src/attest/signer.ts';
import {namespace, signSsh} from '../../../src/attest/sshsig.ts';
import {KeyFolder} from './keys.ts';

const ada = publicKeyOf(Buffer.alloc(32, 1));
const bob = publicKeyOf(Buffer.alloc(32, 2));
const now = Date.UTC(2027, 0, 15, 12);

function find(file: string, {identity, key = ada}: {identity?: string; key?: typeof ada} = {}): unknown {
  const signers = readAllowedSigners(file);
  if (!signers.ok) return signers.error;
  const found = findAllowed(signers.value, {blob: key.blob, namespace, identity, at: now});
  return found.ok ? found.value.line : found.error;
}

const line = (principals: string, options = ''): string =>
  `${principals} ${options}${options === '' ? '' : ' '}${publicKeyLine(ada, 'a comment')}`;

describe('findAllowed', () => {
  it('finds the line of a key', () => {
    const file = `# comment\n\nbob@example.org ${publicKeyLine(bob)}\n${line('ada@example.org')}\n`;
    expect(find(file)).toBe(4);
    expect(find(file, {identity: 'ada@example.org'})).toBe(4);
    expect(find(file, {key: bob})).toBe(3);
  });

  it('says whose key it is where somebody else was meant', () => {
    expect(find(line('ada@example.org'), {identity: 'bob@example.org'})).toEqual({
      reason: 'other-identity',
      principals: ['ada@example.org'],
    });
  });

  it('says that a key is not there, and which lines are of authorities', () => {
    expect(find(line('*'), {key: bob})).toEqual({reason: 'unknown-key', authorities: []});
    expect(find(line('*', 'cert-authority'))).toEqual({reason: 'unknown-key', authorities: [1]});
  });

  it('keeps to namespaces', () => {
    expect(find(line('ada', 'namespaces="git,file"'))).toEqual({
      reason: 'other-namespace',
      line: 1,
      namespaces: 'git,file',
    });
    expect(find(line('ada', 'NAMESPACES="git,fg*"'))).toBe(1);
    expect(find(`${line('ada', 'namespaces="git"')}\n${line('ada', 'namespaces="fgimage"')}`)).toBe(2);
  });

  it('keeps to times', () => {
    expect(find(line('ada', 'valid-after="20270115Z",valid-before="20270116Z"'))).toBe(1);
    expect(find(line('ada', 'valid-before="20270115115959Z"'))).toEqual({
      reason: 'expired',
      line: 1,
      time: now - 1000,
    });
    expect(find(line('ada', 'valid-after=202701151201Z'))).toEqual({
      reason: 'not-yet-valid',
      line: 1,
      time: now + 60_000,
    });
  });

  it.each([
    [
      line('ada', 'valid-before="tomorrow"'),
      'line 1: valid-before wants a time like 20270131 or 20270131120000Z, not "tomorrow"',
    ],
    [
      line('ada', 'valid-before="20271301"'),
      'line 1: valid-before wants a time like 20270131 or 20270131120000Z, not "20271301"',
    ],
    [line('ada', 'no-pty'), 'line 1: the option "no-pty" is none of ssh-keygen(1)'],
    ['ada ssh-ed25519 !!!', 'line 1: the key is broken'],
    ['ada', 'line 1: no type of a key, e.g. ssh-ed25519, stands where it belongs'],
  ])('refuses %j', (file, message) => {
    expect(find(file)).toBe(message);
  });

  it('agrees with ssh-keygen', async () => {
    using folder = new KeyFolder();
    const signature = await signSsh(Buffer.from('text'), await readSigner(folder.key('ada'), {}));
    folder.write({signature});
    const key = folder.publicKey('ada');
    const signer = await readSigner(folder.join('ada'), {});
    const cases: readonly (readonly [file: string, identity: string])[] = [
      [`ada ${key}`, 'ada'],
      [`ada ${key}`, 'Ada'],
      [`*@example.org,!bob@* ${key}`, 'ada@example.org'],
      [`*@example.org,!bob@* ${key}`, 'bob@example.org'],
      [`a?a ${key}`, 'ada'],
      [`a?a ${key}`, 'adda'],
      [`"ada,bob" namespaces="fgimage" ${key}`, 'bob'],
      [`ada namespaces="git,fg*" ${key}`, 'ada'],
      [`ada namespaces="git" ${key}`, 'ada'],
      [`ada cert-authority ${key}`, 'ada'],
      [`ada valid-before="20200101" ${key}`, 'ada'],
      [`ada valid-after="20200101",valid-before="20990101Z" ${key}`, 'ada'],
      [`ada valid-after="20990101" ${key}`, 'ada'],
    ];
    const verdicts = cases.map(([file, identity]) => {
      writeFileSync(folder.join('allowed'), `${file}\n`);
      const words = ['-Y', 'verify', '-f', folder.join('allowed'), '-I', identity, '-n', namespace];
      const {status} = spawnSync('ssh-keygen', [...words, '-s', folder.join('signature')], {input: 'text'});
      const signers = readAllowedSigners(file);
      const ours =
        signers.ok &&
        findAllowed(signers.value, {blob: signer.publicKey.blob, namespace, identity, at: Date.now()}).ok;
      return {file: file.replace(key, '…'), identity, theirs: status === 0, ours};
    });
    expect(verdicts.filter(({theirs, ours}) => theirs !== ours)).toEqual([]);
    expect(verdicts.filter(({ours}) => ours)).toHaveLength(6);
  });
});

describe('matchesList', () => {
  it.each([
    ['', '*', true],
    ['abc', 'a*c', true],
    ['abcd', 'a*c', false],
    ['abc', '!abc,*', false],
    ['abc', '!x', false],
    ['abc', '***?', true],
  ])('%j in %j: %s', (text, list, expected) => {
    expect(matchesList(text, list)).toBe(expected);
  });

  it('does not take longer and longer over many stars', () => {
    expect(matchesList('a'.repeat(5000), `${'a*'.repeat(500)}b`)).toBe(false);
  });
});
