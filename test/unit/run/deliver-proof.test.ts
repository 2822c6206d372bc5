import {readFileSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {type Delivered, deliver, type Parcel} from '../../../src/run/deliver.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

interface Told {
  readonly path: string;
  readonly sha256: string;
}

/** A document that names all others and this word. */
function proof(word: string): NonNullable<Parcel['proof']> {
  return {
    path: 'proof.json',
    text: ({files, documents}) =>
      JSON.stringify([word, ...files.map(({path}) => path), ...documents.map(({path}) => path)]),
  };
}

function hand(cache: TemporaryStore, parcel: Omit<Parcel, 'image' | 'target' | 'manifest'>): Delivered {
  const output = cache.folder.join('artifacts');
  const result = deliver(cache.store, output, {image: 'web', target: 'hpc', manifest: {}, ...parcel});
  if (!result.ok) throw new Error(result.error.path);
  return result.value;
}

function documentsOf(path: string): readonly Told[] {
  const {documents} = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as {documents: Told[]};
  return documents;
}

describe('a document that tells of the others', () => {
  it('is made of what lies there, and stands in the manifest', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {root: 'root', kernel: 'kernel'});
    const documents = await publishFiles(cache.store, {'sbom.json': '{}'});
    const {path} = hand(cache, {digest, documents, proof: proof('one')});
    const text = '["one","kernel","root","sbom.json"]';
    expect(readFileSync(join(path, 'proof.json'), 'utf8')).toBe(text);
    expect(documentsOf(path).map((one) => [one.path, one.sha256])).toEqual([
      ['sbom.json', sha256('{}')],
      ['proof.json', sha256(text)],
    ]);
  });

  it('is left alone while it says the same, and written again when it does not', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {root: 'root'});
    const {path} = hand(cache, {digest, proof: proof('one')});
    const before = statSync(join(path, 'proof.json')).ino;
    expect(hand(cache, {digest, proof: proof('one')}).changed).toBe(false);
    expect(statSync(join(path, 'proof.json')).ino).toBe(before);
    expect(hand(cache, {digest, proof: proof('two')}).changed).toBe(true);
    expect(readFileSync(join(path, 'proof.json'), 'utf8')).toBe('["two","root"]');
    expect(documentsOf(path)).toMatchObject([{path: 'proof.json', sha256: sha256('["two","root"]')}]);
  });

  it('comes back when it is gone', async () => {
    using cache = new TemporaryStore();
    const digest = await publishFiles(cache.store, {root: 'root'});
    const {path} = hand(cache, {digest, proof: proof('one')});
    rmSync(join(path, 'proof.json'));
    expect(hand(cache, {digest, proof: proof('one')}).changed).toBe(true);
    expect(readFileSync(join(path, 'proof.json'), 'utf8')).toBe('["one","root"]');
  });
});
