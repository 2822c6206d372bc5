import {describe, expect, it} from 'vitest';
import {canonicalJson, type SigningKey, signText} from '../../../cache/remote/signature.ts';
import {readWireRecord, type WireRecord, writeWireRecord} from '../../../cache/remote/wire.ts';
import {keyOf, newKey, sampleRecord} from './samples.ts';

const key = newKey();
const logDigest = keyOf('log');
const wire: WireRecord = {
  version: 1,
  record: sampleRecord('web', keyOf('tree'), {log: logDigest}),
  object: {sha256: keyOf('archive'), sizeBytes: 1234},
  log: {sha256: logDigest, sizeBytes: 56},
};
const asked = {key: keyOf('web'), trustedKeys: [newKey(), key]};

/** Signs whatever it is given, as a careless holder of the key would. */
function signed(value: object, by: SigningKey = key): Buffer {
  return Buffer.from(JSON.stringify({...value, signature: signText(canonicalJson(value), by)}));
}

describe('readWireRecord()', () => {
  it('reads what was written', () => {
    expect(readWireRecord(writeWireRecord(wire, key), asked)).toEqual({
      ok: true,
      value: {...wire, keyId: key.id},
    });
  });

  it('does not depend on spaces and the order of members', () => {
    const value = JSON.parse(writeWireRecord(wire, key).toString()) as Record<string, unknown>;
    const turned = Object.fromEntries(Object.entries(value).reverse());
    expect(readWireRecord(Buffer.from(JSON.stringify(turned, undefined, 4)), asked).ok).toBe(true);
  });

  const text = writeWireRecord(wire, key).toString();
  const unsigned = JSON.parse(JSON.stringify(wire)) as Record<string, unknown>;
  const stranger = newKey();
  it.each([
    ['no JSON', Buffer.from('<html>'), 'malformed', 'not a record of fgimage'],
    ['a list', Buffer.from('[]'), 'malformed', 'not a record of fgimage'],
    ['another version', signed({...wire, version: 2}), 'version', 'in the format of another fgimage'],
    ['no signature', Buffer.from(JSON.stringify(unsigned)), 'unsigned', 'not signed'],
    [
      'half a signature',
      Buffer.from(JSON.stringify({...unsigned, signature: {key_id: key.id}})),
      'unsigned',
      'not signed',
    ],
    [
      'a stranger',
      writeWireRecord(wire, stranger),
      'unknown-key',
      `signed by a key that is not trusted, ${stranger.id}`,
    ],
    [
      'a stranger with a name for terminals',
      Buffer.from(JSON.stringify({...unsigned, signature: {key_id: '\u001b[31m', ed25519: ''}})),
      'unknown-key',
      'signed by a key that is not trusted',
    ],
    [
      "a stranger under a trusted key's id",
      signed(unsigned, {...stranger, id: key.id}),
      'tampered',
      'not what its signature is for',
    ],
    [
      'another digest',
      Buffer.from(text.replace(keyOf('tree'), keyOf('evil'))),
      'tampered',
      'not what its signature is for',
    ],
    [
      'another archive',
      Buffer.from(text.replace('1234', '1235')),
      'tampered',
      'not what its signature is for',
    ],
    [
      'a member more',
      Buffer.from(text.replace('{', '{"extra":1,')),
      'tampered',
      'not what its signature is for',
    ],
    [
      'an empty signature',
      Buffer.from(text.replace(/"ed25519":"[^"]*"/, '"ed25519":""')),
      'tampered',
      'not what its signature is for',
    ],
    [
      'the record of another stage',
      writeWireRecord({...wire, record: {...wire.record, key: keyOf('db')}}, key),
      'other-key',
      'the record of another stage',
    ],
    ['no object', signed({...wire, object: undefined}), 'malformed', 'not a record of fgimage'],
    [
      'a path for a digest',
      signed({...wire, object: {sha256: '../../etc', sizeBytes: 1}}),
      'malformed',
      'not a record of fgimage',
    ],
    [
      'another log',
      signed({...wire, log: {sha256: keyOf('other'), sizeBytes: 1}}),
      'malformed',
      'not a record of fgimage',
    ],
  ])('ignores %s', (_name, bytes, reason, message) => {
    expect(readWireRecord(bytes, asked)).toEqual({ok: false, error: {reason, message}});
  });

  it('believes nobody when nobody is trusted', () => {
    const read = readWireRecord(writeWireRecord(wire, key), {key: keyOf('web'), trustedKeys: []});
    expect(read).toMatchObject({ok: false, error: {reason: 'unknown-key'}});
  });
});
