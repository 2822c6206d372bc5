import {execFileSync, spawnSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {readSigner} from '../../../src/attest/signer.ts';
import {armored, unarmored} from '../../../src/attest/ssh-wire.ts';
import {isSignedBy, readSsh, signSsh} from '../../../src/attest/sshsig.ts';
import {KeyFolder} from './keys.ts';

const message = Buffer.from('0123  web.qcow2\n');
const label = 'SSH SIGNATURE';

describe('signSsh', () => {
  it('makes what ssh-keygen accepts, for this namespace and this text only', async () => {
    using folder = new KeyFolder();
    const signature = await signSsh(message, await readSigner(folder.key('ada'), {}));
    folder.write({signature, allowed: `ada@example.org ${folder.publicKey('ada')}\n`});
    const accepts = (input: string | Buffer, namespace: string): boolean =>
      spawnSync(
        'ssh-keygen',
        [
          '-Y',
          'verify',
          '-f',
          folder.join('allowed'),
          '-I',
          'ada@example.org',
          '-n',
          namespace,
          '-s',
          folder.join('signature'),
        ],
        {input},
      ).status === 0;
    expect(accepts(message, 'fgimage')).toBe(true);
    expect(accepts(message, 'git')).toBe(false);
    expect(accepts('0124  web.qcow2\n', 'fgimage')).toBe(false);
  });

  it('makes the bytes that ssh-keygen makes', async () => {
    using folder = new KeyFolder();
    const path = folder.key('ada');
    const made = execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', path, '-n', 'fgimage'], {
      input: message,
      encoding: 'utf8',
      stdio: 'pipe',
    });
    expect(await signSsh(message, await readSigner(path, {}))).toBe(made);
  });
});

describe('readSsh', () => {
  it.each(['sha256', 'sha512'])('reads what ssh-keygen makes over %s', (hash) => {
    using folder = new KeyFolder();
    const read = readSsh(keygenSignature(folder, {hash}));
    expect(read).toMatchObject({ok: true, value: {namespace: 'fgimage', hashAlgorithm: hash}});
    if (!read.ok) return;
    expect(isSignedBy(message, read.value)).toBe(true);
    expect(isSignedBy(Buffer.from('another'), read.value)).toBe(false);
  });

  it('finds every changed byte', () => {
    using folder = new KeyFolder();
    const bytes = unarmored(keygenSignature(folder), label) ?? Buffer.alloc(0);
    const accepted = [...bytes.keys()].filter((index) => {
      const changed = Buffer.from(bytes);
      changed[index] = (changed[index] ?? 0) ^ 1;
      const read = readSsh(armored(changed, label));
      return read.ok && isSignedBy(message, read.value);
    });
    expect(bytes.length).toBeGreaterThan(150);
    expect(accepted).toEqual([]);
  });

  it('finds every cut', () => {
    using folder = new KeyFolder();
    const bytes = unarmored(keygenSignature(folder), label) ?? Buffer.alloc(0);
    const accepted = [...bytes.keys()]
      .slice(1)
      .filter((end) => readSsh(armored(bytes.subarray(0, end), label)).ok);
    expect(accepted).toEqual([]);
    expect(readSsh(armored(Buffer.concat([bytes, Buffer.from('x')]), label))).toEqual({
      ok: false,
      error: 'something stands behind its end',
    });
  });

  it('refuses a weak digest', () => {
    using folder = new KeyFolder();
    const bytes = unarmored(keygenSignature(folder, {hash: 'sha256'}), label) ?? Buffer.alloc(0);
    const at = bytes.indexOf('sha256');
    bytes.write('sha1\0\0', at);
    expect(readSsh(armored(bytes, label))).toEqual({
      ok: false,
      error: 'it is made over a digest other than SHA-256 and SHA-512',
    });
  });

  it('names the kind of a key that it cannot use', () => {
    using folder = new KeyFolder();
    const read = readSsh(keygenSignature(folder, {type: 'ecdsa'}));
    expect(read).toMatchObject({ok: false});
    expect(read.ok ? '' : read.error).toMatch(
      /^its key SHA256:\S+ cannot be used: it is of the type ecdsa-sha2-nistp256, not ssh-ed25519$/,
    );
  });

  it.each(['', 'hello', '-----BEGIN SSH SIGNATURE-----\n!!\n-----END SSH SIGNATURE-----\n'])(
    'refuses %j',
    (text) => {
      expect(readSsh(text)).toEqual({ok: false, error: 'it is no armored SSH signature'});
    },
  );
});

function keygenSignature(
  folder: KeyFolder,
  {hash = 'sha512', type = 'ed25519'}: {hash?: string; type?: string} = {},
): string {
  const path = folder.key('ada', {type});
  writeFileSync(folder.join('message'), message);
  execFileSync(
    'ssh-keygen',
    ['-q', '-Y', 'sign', '-f', path, '-n', 'fgimage', '-O', `hashalg=${hash}`, folder.join('message')],
    {stdio: 'pipe'},
  );
  return readFileSync(folder.join('message.sig'), 'utf8');
}
