import {generateKeyPairSync} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {
  canonicalJson,
  generateKeyPair,
  parseSigningKey,
  parseTrustedKey,
  signText,
  verifyText,
} from '../../../cache/remote/signature.ts';
import {RemoteError} from '../../../src/http/error.ts';

describe('keys', () => {
  it('are the same key in each of their forms', () => {
    const {id, privatePem, publicPem, publicKey} = generateKeyPair();
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(publicKey).toMatch(/^ed25519:[A-Za-z0-9+/]{43}=$/);
    const signer = parseSigningKey(privatePem);
    for (const key of [signer, parseTrustedKey(publicPem), parseTrustedKey(`${publicKey}\n`)]) {
      expect(key.id).toBe(id);
      expect(verifyText('text', signText('text', signer), key)).toBe(true);
      expect(verifyText('Text', signText('text', signer), key)).toBe(false);
    }
  });

  it('make the signature of RFC 8032, 7.1, test 2', () => {
    const seed = '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';
    const der = Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex').toString('base64');
    const key = parseSigningKey(`-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`);
    const signature =
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';
    expect(Buffer.from(signText('r', key).ed25519, 'base64').toString('hex')).toBe(signature);
  });

  it('of another kind are refused', () => {
    const rsa = generateKeyPairSync('rsa', {modulusLength: 2048});
    const pem = rsa.publicKey.export({type: 'spki', format: 'pem'}).toString();
    const {privatePem} = generateKeyPair();
    const hint = 'Make a pair with "fgimage cache keygen", or with "openssl genpkey -algorithm ed25519".';
    for (const text of ['', 'ed25519:short', 'ssh-ed25519 AAAA', pem, privatePem]) {
      expect(() => parseTrustedKey(text)).toThrow(
        new RemoteError('usage', 'A trusted key is no Ed25519 public key: PEM or ed25519:<base64>', {hint}),
      );
    }
    const rsaPem = rsa.privateKey.export({type: 'pkcs8', format: 'pem'}).toString();
    for (const text of ['', pem, rsaPem, privatePem.slice(0, 60)]) {
      expect(() => parseSigningKey(text)).toThrow(
        new RemoteError('usage', 'The signing key is no Ed25519 private key in PEM', {hint}),
      );
    }
  });
});

describe('canonicalJson()', () => {
  it('sorts members at every depth and keeps lists', () => {
    const value = {b: [3, {y: null, x: 'é\n'}, 1], a: 1.5, ä: true, A: undefined, '': {}};
    expect(canonicalJson(value)).toBe('{"":{},"a":1.5,"b":[3,{"x":"é\\n","y":null},1],"ä":true}');
    expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
  });
});
