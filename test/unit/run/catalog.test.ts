import {describe, expect, it} from 'vitest';
import {type CatalogImage, enterImage, listImages} from '../../../src/catalog/catalog.ts';
import {TemporaryStore} from '../../rig/stored.ts';

const entry: CatalogImage = {
  image: 'web',
  target: 'openstack',
  digest: 'd1',
  key: 'k1',
  specDigest: 's1',
  path: '/out/web/openstack',
  file: 'disk.qcow2',
  sizeBytes: 5_000_000_000,
  tested: 'passed',
  builtAt: 1_700_000_000_000,
};

describe('listImages()', () => {
  it('gives what was entered, the newest first', () => {
    using cache = new TemporaryStore();
    const {database} = cache.store;
    const newer: CatalogImage = {
      ...entry,
      target: 'hpc',
      path: '/out/web/hpc',
      tested: 'not tested',
      builtAt: entry.builtAt + 1,
    };
    const other: CatalogImage = {...entry, image: 'db', path: '/out/db/openstack'};
    for (const image of [entry, newer, other]) enterImage(database, image);
    expect(listImages(database)).toEqual([newer, other, entry]);
  });

  it('gives one row for a path, whatever was there before', () => {
    using cache = new TemporaryStore();
    const {database} = cache.store;
    enterImage(database, entry);
    enterImage(database, {...entry, digest: 'd2', sizeBytes: 1});
    expect(listImages(database)).toEqual([{...entry, digest: 'd2', sizeBytes: 1}]);
  });

  it('gives nothing for a new cache', () => {
    using cache = new TemporaryStore();
    expect(listImages(cache.store.database)).toEqual([]);
  });
});
