import {spawnSync} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {packageRoot} from '../../../src/package-root.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const scripts = join(packageRoot, 'src/stages/scripts');

/** chroot(2) is for root; an ordinary user is it in a namespace of its own. */
const asRoot = process.getuid?.() === 0 ? [] : ['unshare', '--user', '--map-root-user'];

function run(script: string, ...words: readonly string[]): {status: number | null; stderr: string} {
  const [program = '', ...rest] = [...asRoot, '/usr/bin/python3', join(scripts, script), ...words];
  const env = {...process.env, PYTHONDONTWRITEBYTECODE: '1', RPM_FORCE_DEBIAN: '1', SOURCE_DATE_EPOCH: '0'};
  return spawnSync(program, rest, {encoding: 'utf8', env});
}

function transaction(folder: TemporaryFolder, root: string): ReturnType<typeof run> {
  const request = folder.join('request.json');
  writeFileSync(request, JSON.stringify({root, database: '/var/lib/rpm', install: [], remove: []}));
  return run('rpm-transaction.py', request);
}

function resolveRequest(folder: TemporaryFolder, root: string): string {
  const request = folder.join('resolve.json');
  const asked = {repositories: [], install: ['x'], remove: [], architecture: 'x86_64', release: '9'};
  writeFileSync(
    request,
    JSON.stringify({...asked, root, database: '/var/lib/rpm', cache: folder.join('cache'), platform: ''}),
  );
  return request;
}

describe('what the host does with rpm for an imported tree', () => {
  it('puts a kernel where a link of the tree leads in the tree, and not where it leads on the host', () => {
    using folder = new TemporaryFolder();
    const [tree, outside] = [folder.join('tree'), folder.join('outside')];
    for (const path of [outside, join(tree, 'usr/lib/modules/6.1'), join(tree, outside)])
      mkdirSync(path, {recursive: true});
    writeFileSync(join(tree, 'usr/lib/modules/6.1/vmlinuz'), 'a kernel');
    symlinkSync(outside, join(tree, 'boot'));

    expect(transaction(folder, tree)).toMatchObject({status: 0});
    expect(existsSync(join(outside, 'vmlinuz-6.1'))).toBe(false);
    expect(readFileSync(join(tree, outside, 'vmlinuz-6.1'), 'utf8')).toBe('a kernel');
  });

  it('takes no database that a link leads to outside of the tree', () => {
    using folder = new TemporaryFolder();
    const [tree, outside] = [folder.join('tree'), folder.join('outside')];
    for (const path of [outside, join(tree, 'var/lib')]) mkdirSync(path, {recursive: true});
    symlinkSync(outside, join(tree, 'var/lib/rpm'));
    const message = '/var/lib/rpm of the image is a link, and rpm would follow it out of the image\n';

    expect(transaction(folder, tree)).toMatchObject({status: 1, stderr: message});
    expect(run('rpm-query.py', tree, '/var/lib/rpm', outside)).toMatchObject({status: 1, stderr: message});
    expect(existsSync(join(outside, 'rpmdb.sqlite'))).toBe(false);
  });

  it('says what is wrong with a damaged database', () => {
    using folder = new TemporaryFolder();
    const tree = folder.join('tree');
    mkdirSync(join(tree, 'var/lib/rpm'), {recursive: true});
    writeFileSync(join(tree, 'var/lib/rpm/rpmdb.sqlite'), 'no database'.repeat(1000));

    for (const {status, stderr} of [
      run('rpm-query.py', tree, '/var/lib/rpm', tree),
      run('dnf-resolve.py', resolveRequest(folder, tree)),
    ]) {
      expect(status).toBe(1);
      expect(stderr).toMatch(/file is not a database/);
      expect(stderr).not.toContain('Traceback');
    }
  });

  it('takes no file of a database that is a link', () => {
    using folder = new TemporaryFolder();
    const [tree, outside] = [folder.join('tree'), folder.join('outside')];
    for (const path of [outside, join(tree, 'var/lib/rpm')]) mkdirSync(path, {recursive: true});
    symlinkSync(join(outside, 'rpmdb.sqlite'), join(tree, 'var/lib/rpm/rpmdb.sqlite'));

    expect(run('rpm-query.py', tree, '/var/lib/rpm', outside)).toMatchObject({
      status: 1,
      stderr: '/var/lib/rpm/rpmdb.sqlite of the image is a link, and rpm would follow it out of the image\n',
    });
    expect(existsSync(join(outside, 'rpmdb.sqlite'))).toBe(false);
  });
});
