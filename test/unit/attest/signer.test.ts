import {execFileSync, spawn} from 'node:child_process';
import {createPrivateKey, generateKeyPairSync, verify} from 'node:crypto';
import {once} from 'node:events';
import {readFileSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {publicKeyLine, publicKeyOf} from '../../../src/attest/public-key.ts';
import {readSigner, signerOf} from '../../../src/attest/signer.ts';
import {KeyFolder} from './keys.ts';

/** RFC 8032, 7.1, TEST 1 and TEST 2: secret key, public key, message, signature. */
const vectors = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
] as const;

const signWith = async (path: string, env = {}): Promise<boolean> => {
  const signer = await readSigner(path, env);
  const data = Buffer.from('data');
  return verify(null, data, signer.publicKey.key, await signer.sign(data));
};

describe('signerOf', () => {
  it.each(vectors)('signs as RFC 8032 has it: %s', async (seed, raw, message, signature) => {
    const privateKey = createPrivateKey({
      key: {
        ...{kty: 'OKP', crv: 'Ed25519'},
        ...{
          x: Buffer.from(raw, 'hex').toString('base64url'),
          d: Buffer.from(seed, 'hex').toString('base64url'),
        },
      },
      format: 'jwk',
    });
    const signer = signerOf(privateKey);
    expect((await signer.sign(Buffer.from(message, 'hex'))).toString('hex')).toBe(signature);
    expect(signer.publicKey.blob).toEqual(publicKeyOf(Buffer.from(raw, 'hex')).blob);
  });
});

describe('readSigner', () => {
  it('reads a key of ssh-keygen, and tells its fingerprint as ssh-keygen does', async () => {
    using folder = new KeyFolder();
    const path = folder.key('ada');
    const {publicKey} = await readSigner(path, {});
    expect(publicKeyLine(publicKey, 'ada@example.org')).toBe(folder.publicLine('ada'));
    const told = execFileSync('ssh-keygen', ['-l', '-f', path], {encoding: 'utf8'});
    expect(told.split(' ')[1]).toBe(publicKey.fingerprint);
    expect(await signWith(path)).toBe(true);
  });

  it('reads a key in PKCS #8', async () => {
    using folder = new KeyFolder();
    const {privateKey} = generateKeyPairSync('ed25519');
    folder.write({key: privateKey.export({type: 'pkcs8', format: 'pem'}).toString()});
    expect(await signWith(folder.join('key'))).toBe(true);
  });

  it('has the SSH agent sign with a protected key, and with a public one', async () => {
    using folder = new KeyFolder();
    const path = folder.key('ada', {passphrase: 'opensesame'});
    const socket = folder.join('agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], {stdio: ['ignore', 'pipe', 'ignore']});
    try {
      await once(agent.stdout, 'data'); // It tells its socket once that is there.
      const env = {SSH_AUTH_SOCK: socket};
      await expect(readSigner(path, env)).rejects.toMatchObject({
        code: 'KEY_UNUSABLE',
        message: `The key ${path} is protected by a passphrase, and the SSH agent does not hold it`,
        hint: `fgimage signs with such a key by the SSH agent only: run "ssh-add ${path}"`,
      });
      folder.write({askpass: '#!/bin/sh\necho opensesame\n'});
      execFileSync('chmod', ['+x', folder.join('askpass')]);
      const asking = {SSH_ASKPASS: folder.join('askpass'), SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0'};
      execFileSync('ssh-add', [path], {env: {...process.env, ...env, ...asking}, stdio: 'pipe'});
      expect(await signWith(path, env)).toBe(true);
      expect(await signWith(`${path}.pub`, env)).toBe(true);
    } finally {
      const ended = once(agent, 'exit');
      agent.kill();
      await ended;
    }
  });

  it('says where no agent is that a protected key would need', async () => {
    using folder = new KeyFolder();
    const path = folder.key('ada', {passphrase: 'opensesame'});
    await expect(readSigner(path, {})).rejects.toThrow(
      `The key ${path} is protected by a passphrase, and $SSH_AUTH_SOCK names no agent`,
    );
    await expect(readSigner(path, {SSH_AUTH_SOCK: folder.join('none')})).rejects.toThrow(
      /^The SSH agent at .*none does not help: connect ENOENT/,
    );
  });

  it.each([
    ['rsa', 'it is of the type ssh-rsa, not ssh-ed25519'],
    ['ecdsa', 'it is of the type ecdsa-sha2-nistp256, not ssh-ed25519'],
  ])('does not sign with a key of the type %s', async (type, why) => {
    using folder = new KeyFolder();
    const path = folder.key('ada', {type});
    await expect(readSigner(path, {})).rejects.toThrow(`Cannot sign with the key ${path}: ${why}`);
  });

  it.each([
    ['an ECDSA key in PKCS #8', ecdsaPem(), 'it is of the type ec, not ed25519'],
    ['a broken PEM', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'its PEM is broken'],
    [
      "cosign's own form",
      '-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n',
      "it is cosign's own encrypted form, which fgimage does not read",
    ],
    [
      'an encrypted PKCS #8',
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\n',
      'it is an encrypted PKCS #8 key, and fgimage takes no passphrases',
    ],
    ['another PEM', '-----BEGIN RSA PRIVATE KEY-----\n', 'it is no Ed25519 key in OpenSSH or PKCS #8 format'],
    ['a text', 'hello world\n', 'it is no line "ssh-ed25519 AAAA…" of a .pub file'],
    [
      'a cut OpenSSH key',
      '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n',
      'it is cut short',
    ],
  ])('does not sign with %s', async (_, text, why) => {
    using folder = new KeyFolder({key: text});
    await expect(readSigner(folder.join('key'), {})).rejects.toThrow(
      `Cannot sign with the key ${folder.join('key')}: ${why}`,
    );
  });

  it('does not sign with a key whose halves do not belong together', async () => {
    using folder = new KeyFolder();
    const path = folder.key('ada');
    const raw = publicRaw(folder, 'ada');
    const body = Buffer.from(readFileSync(path, 'utf8').split('\n').slice(1, -2).join(''), 'base64');
    const at = body.indexOf(raw);
    folder.key('bob');
    publicRaw(folder, 'bob').copy(body, at);
    writeFileSync(
      path,
      `-----BEGIN OPENSSH PRIVATE KEY-----\n${body.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    );
    await expect(readSigner(path, {})).rejects.toThrow('its halves belong to two keys');
  });

  it('names a key that is not there', async () => {
    await expect(readSigner('/nonexistent/key', {})).rejects.toMatchObject({
      code: 'KEY_UNUSABLE',
      message: 'Cannot read the key /nonexistent/key',
    });
  });
});

function ecdsaPem(): string {
  return generateKeyPairSync('ec', {namedCurve: 'P-256'})
    .privateKey.export({type: 'pkcs8', format: 'pem'})
    .toString();
}

/** The 32 bytes of a key's public half. */
function publicRaw(folder: KeyFolder, name: string): Buffer {
  return Buffer.from(folder.publicKey(name).split(' ')[1] ?? '', 'base64').subarray(-32);
}
