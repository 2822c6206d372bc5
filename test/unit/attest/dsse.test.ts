import {createPublicKey, generateKeyPairSync, verify} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {
  inTotoType,
  isEnvelopeSignedBy,
  preAuthentication,
  readEnvelope,
  signEnvelope,
} from '../../../src/attest/dsse.ts';
import {signerOf} from '../../../src/attest/signer.ts';

/** secure-systems-lab/dsse, protocol.md, "Test Vectors". */
const vector = {
  payload: 'hello world',
  payloadType: 'http://example.com/HelloWorld',
  pae: 'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  x: 46950820868899156662930047687818585632848591499744589407958293238635476079160n,
  y: 5640078356564379163099075877009565129882514886557779369047442380624545832820n,
  sig: 'A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==',
};

const payload = Buffer.from('{"_type":"https://in-toto.io/Statement/v1"}');
const signer = signerOf(generateKeyPairSync('ed25519').privateKey);

describe('preAuthentication', () => {
  it("gives the protocol's own bytes, over which its own signature holds", () => {
    const pae = preAuthentication(vector.payloadType, Buffer.from(vector.payload));
    expect(pae.toString()).toBe(vector.pae);
    const coordinate = (value: bigint): string =>
      Buffer.from(value.toString(16).padStart(64, '0'), 'hex').toString('base64url');
    const key = createPublicKey({
      key: {kty: 'EC', crv: 'P-256', x: coordinate(vector.x), y: coordinate(vector.y)},
      format: 'jwk',
    });
    const signature = Buffer.from(vector.sig, 'base64');
    expect(verify('sha256', pae, {key, dsaEncoding: 'ieee-p1363'}, signature)).toBe(true);
  });

  it('counts bytes, not characters', () => {
    expect(preAuthentication('tÿpe', Buffer.from('ü')).toString()).toBe('DSSEv1 5 tÿpe 2 ü');
  });
});

describe('an envelope', () => {
  it('is read as it was signed', async () => {
    const text = await signEnvelope(inTotoType, payload, signer);
    const read = readEnvelope(text);
    expect(read).toMatchObject({
      ok: true,
      value: {
        payloadType: 'application/vnd.in-toto+json',
        payload,
        signatures: [{keyid: signer.publicKey.fingerprint}],
      },
    });
    expect(read.ok && isEnvelopeSignedBy(read.value, signer.publicKey)).toBe(true);
  });

  it('does not hold for another payload, type or key', async () => {
    const read = readEnvelope(await signEnvelope(inTotoType, payload, signer));
    if (!read.ok) throw new Error(read.error);
    const other = signerOf(generateKeyPairSync('ed25519').privateKey);
    expect([
      isEnvelopeSignedBy({...read.value, payload: Buffer.from('{}')}, signer.publicKey),
      isEnvelopeSignedBy({...read.value, payloadType: 'text/plain'}, signer.publicKey),
      isEnvelopeSignedBy({...read.value, signatures: []}, signer.publicKey),
      isEnvelopeSignedBy(read.value, other.publicKey),
    ]).toEqual([false, false, false, false]);
  });

  it('may be in the URL-safe alphabet', async () => {
    const text = await signEnvelope(inTotoType, Buffer.from([0xfb, 0xff, 0xfe]), signer);
    expect(text).toContain('+//+');
    const read = readEnvelope(text.replace('+//+', '-__-'));
    expect(read.ok && isEnvelopeSignedBy(read.value, signer.publicKey)).toBe(true);
  });

  it.each([
    ['x', 'it is no JSON object'],
    ['null', 'it is no JSON object'],
    ['{}', 'it is no DSSE envelope'],
    ['{"payload":"!","payloadType":"a","signatures":[]}', 'it is no DSSE envelope'],
    ['{"payload":"","payloadType":"a","signatures":[null]}', 'one of its signatures is not base64'],
  ])('%s is none', (text, error) => {
    expect(readEnvelope(text)).toEqual({ok: false, error});
  });
});
