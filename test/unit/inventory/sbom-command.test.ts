import {readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {Store} from '../../../cache/store.ts';
import {enterImage} from '../../../src/catalog/catalog.ts';
import {runSbom, type SbomOptions} from '../../../src/cli/sbom.ts';
import {FgError} from '../../../src/errors.ts';
import {deliver} from '../../../src/run/deliver.ts';
import {publishFiles, TemporaryStore} from '../../rig/stored.ts';

/** Hands out an artifact with documents, and enters it into the catalog. */
async function built(cache: TemporaryStore, name: string, builtAt = 1): Promise<string> {
  const [image = '', target = ''] = name.split('/');
  const {store} = cache;
  const digest = await publishFiles(store, {disk: name});
  const documents = await publishFiles(store, {
    'inventory.json': `inventory of ${name}`,
    'sbom.cdx.json': `cyclonedx of ${name}`,
    'sbom.spdx.json': `spdx of ${name}`,
  });
  const output = cache.folder.join(`artifacts-${builtAt}`);
  const done = deliver(store, output, {image, target, digest, documents, manifest: {}});
  if (!done.ok) throw new Error(done.error.path);
  const {path} = done.value;
  const common = {specDigest: '', file: 'disk', sizeBytes: 1, tested: 'passed'} as const;
  enterImage(store.database, {image, target, digest, key: 'key', path, builtAt, ...common});
  return path;
}

/** What the command writes to a file. */
function sbom(
  {store, folder}: {store: Store; folder: TemporaryStore['folder']},
  options: Partial<SbomOptions>,
): string {
  const output = folder.join('out.json');
  expect(runSbom({image: 'web', format: 'spdx', cacheDir: store.layout.root, output, ...options})).toBe(0);
  return readFileSync(output, 'utf8');
}

function refused(run: () => unknown): Pick<FgError, 'code' | 'message' | 'hint'> {
  try {
    run();
  } catch (error) {
    if (error instanceof FgError) return {code: error.code, message: error.message, hint: error.hint};
    throw error;
  }
  throw new Error('It was not refused');
}

describe('runSbom()', () => {
  it.each([
    ['spdx', 'spdx of web/hpc'],
    ['cyclonedx', 'cyclonedx of web/hpc'],
    ['inventory', 'inventory of web/hpc'],
  ])('gives the document of the format %s', async (format, text) => {
    using cache = new TemporaryStore();
    await built(cache, 'web/hpc');
    expect(sbom(cache, {format})).toBe(text);
    expect(sbom(cache, {format, image: 'web/hpc'})).toBe(text);
  });

  it('takes the one that was built last', async () => {
    using cache = new TemporaryStore();
    await built(cache, 'web/hpc', 2);
    rmSync(await built(cache, 'web/hpc', 1));
    expect(sbom(cache, {})).toBe('spdx of web/hpc');
  });

  it('says what there is', async () => {
    using cache = new TemporaryStore();
    expect(refused(() => sbom(cache, {}))).toEqual({
      code: 'NOT_BUILT',
      message: 'No image web was built',
      hint: 'Build it first: fgimage build',
    });
    await built(cache, 'web/hpc', 1);
    await built(cache, 'web/openstack', 2);
    expect(refused(() => sbom(cache, {}))).toEqual({
      code: 'USAGE',
      message: 'The image web has several targets',
      hint: 'Name one: web/hpc, web/openstack',
    });
    expect(refused(() => sbom(cache, {image: 'wub'}))).toMatchObject({hint: 'Did you mean web?'});
    expect(refused(() => sbom(cache, {image: 'something'}))).toMatchObject({
      hint: 'There are web/hpc, web/openstack',
    });
    expect(refused(() => sbom(cache, {format: 'xml'}))).toEqual({
      code: 'USAGE',
      message: 'There is no format xml of a document',
      hint: 'There are cyclonedx, inventory, spdx',
    });
  });

  it('refuses what is no longer what was built', async () => {
    using cache = new TemporaryStore();
    const path = await built(cache, 'web/hpc');
    const hint = 'Hand it out again: fgimage build web --target hpc';
    writeFileSync(join(path, 'sbom.spdx.json'), 'spdx of WEB/hpc');
    expect(refused(() => sbom(cache, {}))).toEqual({
      code: 'NOT_BUILT',
      message: `${join(path, 'sbom.spdx.json')} is not what was built`,
      hint,
    });
    rmSync(path, {recursive: true});
    expect(refused(() => sbom(cache, {}))).toEqual({
      code: 'NOT_BUILT',
      message: `web/hpc no longer lies in ${path}`,
      hint,
    });
  });

  it('says that a file cannot be written', async () => {
    using cache = new TemporaryStore();
    await built(cache, 'web/hpc');
    const output = cache.folder.join('absent/out.json');
    expect(refused(() => sbom(cache, {output}))).toMatchObject({
      code: 'OUTPUT_UNUSABLE',
      hint: 'Name a file that you can write with -o',
    });
  });
});
