import {readFileSync, statSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {openExperiment} from '../../../src/attest/experiment.ts';
import {writeBundle} from '../../../src/lock/bundle-write.ts';
import {PackageStore} from '../../../src/lock/store-packages.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** A bundle of a small project with one package. */
async function bundled(folder: TemporaryFolder): Promise<string> {
  folder.write({
    'project/fgimage.yaml': 'version: 1\n',
    'project/fgimage.lock': 'version: 1\n',
    'jq.deb': 'package',
  });
  const path = folder.join('web.tar');
  await writeBundle(path, {
    projectDir: folder.join('project'),
    spec: 'fgimage.yaml',
    profiles: [],
    files: ['fgimage.yaml', 'fgimage.lock'],
    ...{links: [], folders: [], images: ['web'], sources: [], mtime: 0},
    packages: [{fileName: 'jq.deb', path: folder.join('jq.deb'), sizeBytes: 7, sha256: sha256('package')}],
    artifacts: [{image: 'web', target: 'hpc', files: [{path: 'root', size: 4, sha256: sha256('root')}]}],
  });
  return path;
}

describe('openExperiment', () => {
  it('takes a bundle, with its packages', async () => {
    using folder = new TemporaryFolder();
    const experiment = await openExperiment(await bundled(folder));
    try {
      expect(experiment).toMatchObject({
        images: ['web'],
        spec: 'fgimage.yaml',
        profiles: [],
        expected: [{image: 'web', target: 'hpc', files: new Map([['root', sha256('root')]])}],
      });
      await experiment.layOut(folder.join('fresh'));
      expect(readFileSync(folder.join('fresh/fgimage.lock'), 'utf8')).toBe('version: 1\n');
      const packages = folder.join('packages');
      await experiment.importPackages?.({packages, work: folder.join('work')});
      expect(
        new PackageStore(packages).has({fileName: 'jq.deb', sizeBytes: 7, sha256: sha256('package')}),
      ).toBe(true);
    } finally {
      experiment.close();
    }
  });

  it('refuses a bundle that was changed', async () => {
    using folder = new TemporaryFolder();
    const path = await bundled(folder);
    const bytes = readFileSync(path);
    bytes.write('PACKAGE', bytes.indexOf('package\0'));
    writeFileSync(path, bytes);
    expect(statSync(path).size).toBe(bytes.length);
    await expect(openExperiment(path)).rejects.toMatchObject({code: 'BUNDLE_INVALID'});
  });

  it.each([
    ['{"@graph": []}', 'RECORD_UNUSABLE', /^Cannot use the record .*: it has no \.\/$/],
    ['hello', 'BUNDLE_INVALID', /is no bundle that can be used/],
  ])('refuses %j', async (text, code, message) => {
    using folder = new TemporaryFolder({file: text});
    await expect(openExperiment(folder.join('file'))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as unknown,
    });
  });

  it('says that there is no such file', async () => {
    await expect(openExperiment('/nonexistent')).rejects.toMatchObject({
      code: 'RECORD_UNUSABLE',
      message: 'Cannot read the record /nonexistent',
    });
  });
});
