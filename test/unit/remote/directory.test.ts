import {mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {DirectoryBackend} from '../../../cache/remote/directory.ts';
import {sha256} from '../../../cache/tree.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {never} from './samples.ts';

const blob = {sha256: sha256('layer'), sizeBytes: 5};

function put(backend: DirectoryBackend, text: string, replace = false): Promise<void> {
  return backend.putRecord('k', Buffer.from(text), {blobs: [], signal: never, replace});
}

describe('DirectoryBackend', () => {
  it('stores and gives records and blobs', async () => {
    using folder = new TemporaryFolder({layer: 'layer'});
    mkdirSync(folder.join('share'));
    const backend = new DirectoryBackend(folder.join('share'));
    expect(await backend.getRecord('k', never)).toBeUndefined();
    expect(await backend.hasBlob(blob, never)).toBe(false);
    await backend.putBlob(blob, folder.join('layer'), never);
    await put(backend, 'one');
    expect(await backend.hasBlob(blob, never)).toBe(true);
    await backend.getBlob(blob, folder.join('copy'), never);
    expect(readFileSync(folder.join('copy'), 'utf8')).toBe('layer');
    const paths = readdirSync(folder.join('share'), {recursive: true}).toSorted();
    expect(paths).toEqual(['ac', 'ac/k', 'cas', `cas/${blob.sha256}`, 'tmp']);
  });

  it('leaves a record that is there, unless it is to be replaced', async () => {
    using folder = new TemporaryFolder();
    const backend = new DirectoryBackend(folder.path);
    await Promise.all([put(backend, 'one'), put(backend, 'one')]);
    await put(backend, 'two');
    expect((await backend.getRecord('k', never))?.toString()).toBe('one');
    await put(backend, 'three', true);
    expect((await backend.getRecord('k', never))?.toString()).toBe('three');
    expect(readdirSync(folder.join('tmp'))).toEqual([]);
  });

  it('refuses a blob that is damaged, in both directions, and leaves nothing of it', async () => {
    using folder = new TemporaryFolder({other: 'LAYER', 'share/cas/x': ''});
    const backend = new DirectoryBackend(folder.join('share'));
    const message = `The blob ${blob.sha256.slice(0, 12)} is damaged: its bytes have another digest`;
    await expect(backend.putBlob(blob, folder.join('other'), never)).rejects.toMatchObject({
      kind: 'damaged',
      message,
    });
    writeFileSync(folder.join('share', 'cas', blob.sha256), 'LAYER');
    await expect(backend.getBlob(blob, folder.join('copy'), never)).rejects.toMatchObject({
      kind: 'damaged',
      message,
    });
    expect(readdirSync(folder.path)).toEqual(['other', 'share']);
    expect(readdirSync(folder.join('share', 'tmp'))).toEqual([]);
    writeFileSync(folder.join('other'), 'layer');
    await backend.putBlob(blob, folder.join('other'), never);
    await backend.getBlob(blob, folder.join('copy'), never);
  });

  it('tells a share that is not mounted from one that is empty', async () => {
    using folder = new TemporaryFolder({layer: 'layer'});
    const path = folder.join('share');
    const backend = new DirectoryBackend(path);
    const gone = {
      kind: 'unreachable',
      message: `The folder ${path} cannot be used: ENOENT: no such file or directory, stat '${path}'`,
      hint: `Check that ${path} is there and mounted, that its disk has room, and that you may use it.`,
      retriable: false,
    };
    await expect(backend.getRecord('k', never)).rejects.toMatchObject(gone);
    await expect(backend.putBlob(blob, folder.join('layer'), never)).rejects.toMatchObject(gone);
    expect(readdirSync(folder.path)).toEqual(['layer']);
  });

  it('removes what writers left that died long ago, and nothing younger', async () => {
    using folder = new TemporaryFolder({'tmp/old': 'x', 'tmp/young': 'x'});
    const longAgo = Date.now() / 1000 - 2 * 24 * 3600;
    utimesSync(folder.join('tmp', 'old'), longAgo, longAgo);
    await put(new DirectoryBackend(folder.path), 'one');
    expect(readdirSync(folder.join('tmp'))).toEqual(['young']);
  });
});
