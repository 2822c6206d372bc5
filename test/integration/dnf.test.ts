import {execFileSync, spawnSync} from 'node:child_process';
import {appendFileSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, inject, it} from 'vitest';
import type {Inventory} from '../../src/inventory/inventory.ts';
import {type BuildResult, Project} from './real-build.ts';
import {RpmArchive} from './rpm-archive.ts';
import {addDisk, addRoot} from './rpm-root.ts';

/**
 * Rocky Linux from a repository that the test makes: real rpm packages, signatures, metadata and tools, and in the packages
 * programs of this host. What Rocky's own packages do is not shown by this.
 */
describe('a distribution of rpm packages', () => {
  const folder = (name: string): string => join(inject('testRoot'), name);
  let archive: RpmArchive;
  let first: BuildResult;
  const project = new Project('rpm');
  const user = `fgimage-rpm-${String(process.pid)}`;

  beforeAll(async () => {
    archive = new RpmArchive(folder('rpm-archive'), ['9/BaseOS/x86_64/os', '9/AppStream/x86_64/os']);
    addRoot(archive);
    archive.add('hello', '2:1.0-1.el9', {
      files: {'/usr/share/hello/content': 'one\n', '/etc/hello.conf': 'greeting = hello\n'},
      requires: ['bash'],
    });
    writeFileSync(folder('stand-in-for-a-kernel'), 'a kernel\n');
    writeFileSync(folder('stand-in-for-an-initrd'), 'an initial RAM disk\n');
    addDisk(archive, {
      version: '6.1.0-1.el9.x86_64',
      kernel: folder('stand-in-for-a-kernel'),
      initrd: folder('stand-in-for-an-initrd'),
    });
    archive.publish();
    await archive.start();
    project.write(files());
    first = await project.build();
  });
  afterAll(async () => {
    await archive.close();
    spawnSync('userdel', ['--remove', user]);
  });

  const files = ({
    packages = '[hello]',
    targets = '{tarball: {compression: none}}',
    key = archive.key,
  } = {}): Record<string, string> => ({
    'fgimage.yaml': `version: 1
name: rocks
os: {distribution: rocky, release: "9", mirror: "${archive.uri}", signed_by: keys/test.asc}
packages: ${packages}
users: [{name: ada, uid: 1500}]
write_files: [{path: /etc/motd, content: "Hello\\n", owner: "ada:ada"}]
provision: [{shell: {inline: "cat /usr/share/hello/content > /etc/said; id -u >> /etc/said"}}]
targets: ${targets}
`,
    'keys/test.asc': key,
  });
  /** What a build of another spec says, with the cache of the others. */
  const failure = async (written: Readonly<Record<string, string>>): Promise<string> => {
    project.write(written);
    const built = await project.build(['--refresh']);
    expect(built.code).toBe(1);
    return built.told;
  };

  it('becomes a tree that runs, with the spec in it', () => {
    expect(first.told.trim()).toBe('');
    expect(first.code).toBe(0);
    const root = join(project.folder, 'root');
    mkdirSync(root);
    execFileSync('tar', ['-xf', join(project.folder, 'artifacts/rocks/tarball/root.tar'), '-C', root]);
    const inside = (...command: readonly string[]): string =>
      execFileSync('chroot', [root, ...command], {encoding: 'utf8'});
    expect(inside('/bin/cat', '/etc/said', '/etc/motd')).toBe('one\n0\nHello\n');
    // The scriptlet saw a tree with /proc and /dev.
    expect(inside('/bin/cat', '/var/lib/scriptlet')).toBe('0\nmounted\n');
    expect(inside('/bin/ls', '-n', '/etc/motd')).toMatch(/ 1500 +1500 /);
    expect(inside('/bin/ls', '/boot')).toBe('vmlinuz-6.1.0-1.el9.x86_64\n');
    expect(inside('/bin/ls', '-a', '/var/lib/rpm').split(/\s+/)).toEqual(['.', '..', 'rpmdb.sqlite', '']);
    const query = ['--root', root, '--dbpath', '/var/lib/rpm', '-q', 'hello', '--qf'];
    const format = '%{EPOCH}:%{VERSION}-%{RELEASE} %{INSTALLTIME} %{RSAHEADER:pgpsig}';
    const [version, time, ...signature] = execFileSync('rpm', [...query, format], {encoding: 'utf8'}).split(
      ' ',
    );
    expect(version).toBe('2:1.0-1.el9');
    // Seconds after the day of the release, not after now.
    expect(Math.abs(Number(time) - 1_657_756_800)).toBeLessThan(60);
    expect(signature.join(' ')).toMatch(/^RSA\/SHA\d+, /);
  });

  it('is told in the documents, each package with its file', () => {
    const told = project.json('artifacts/rocks/tarball/inventory.json') as Inventory;
    expect(told.os).toMatchObject({id: 'rocky', version_id: '9.4', architecture: 'x86_64'});
    expect(told.packages.map(({name}) => name)).toContain('kernel-core');
    const hello = told.packages.find(({name}) => name === 'hello');
    expect(hello).toMatchObject({version: '2:1.0-1.el9', licences: ['MIT'], depends: ['bash']});
    expect(hello?.rpm?.path).toBe('hello-1.0-1.el9.x86_64.rpm');
    const unowned = told.files.unowned.map(({path}) => path);
    expect(unowned).toContain('/etc/motd');
    expect(unowned).not.toContain('/usr/share/hello/content');
    expect(told.files.unowned.find(({path}) => path === '/etc/said')?.sha256).toBe(
      // printf 'one\n0\n' | sha256sum
      execFileSync('sha256sum', {input: 'one\n0\n', encoding: 'utf8'}).slice(0, 64),
    );
    const purls = project.read('artifacts/rocks/tarball/sbom.cdx.json');
    expect(purls).toContain('pkg:rpm/rocky/hello@1.0-1.el9?arch=x86_64&distro=rocky-9.4&epoch=2&');
  });

  it('is vetted by what rpm knows of its files', async () => {
    const vetting = project.start(['vet', 'rocks', 'tarball']);
    expect(await vetting.end, vetting.stderr).toBe(0);
    expect(vetting.stdout).toMatch(/^rocks\/tarball: nothing found /);
  });

  it('becomes a disk with the files that its GRUB and later kernels look for', async () => {
    project.write(files({targets: '{libvirt: {format: raw, firmware: bios}}'}));
    const built = await project.build(['--no-test']);
    expect(built.told.trim()).toBe('');
    const disk = join(project.folder, 'artifacts/rocks/libvirt/disk.raw');
    const table = JSON.parse(execFileSync('sfdisk', ['--json', disk], {encoding: 'utf8'})) as {
      partitiontable: {partitions: readonly {start: number}[]};
    };
    const offset = String((table.partitiontable.partitions.at(-1)?.start ?? 0) * 512);
    const read = (path: string): string =>
      execFileSync('debugfs', ['-R', `cat ${path}`, `${disk}?offset=${offset}`], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    const uuid = /^UUID=(\S+) \/ ext4 /m.exec(read('/etc/fstab'))?.[1] ?? '';
    const words = `root=UUID=${uuid} ro console=tty0 console=ttyS0,115200n8`;
    expect(read('/boot/initramfs-6.1.0-1.el9.x86_64.img')).toBe('an initial RAM disk\n');
    const entry = read(`/boot/loader/entries/${'f'.repeat(32)}-6.1.0-1.el9.x86_64.conf`).split('\n');
    expect(entry).toContain('linux /boot/vmlinuz-6.1.0-1.el9.x86_64');
    expect(entry).toContain('initrd /boot/initramfs-6.1.0-1.el9.x86_64.img');
    expect(entry).toContain(`options ${words}`);
    expect(read('/etc/kernel/cmdline')).toBe(`${words}\n`);
    expect(read('/boot/grub2/grub.cfg')).toContain('\nblscfg\n');
    expect(read('/boot/grub2/i386-pc/normal.mod').length).toBeGreaterThan(1000);
    expect(read('/etc/default/grub')).toContain('GRUB_ENABLE_BLSCFG=true');
    // The stand-in for a policy has its files labelled at the first boot.
    const relabel = execFileSync('debugfs', ['-R', 'stat /.autorelabel', `${disk}?offset=${offset}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(relabel).toContain('Type: regular');
    project.write(files());
  });

  it('runs again only what a change reaches', async () => {
    const nothing = await project.build();
    expect(nothing.stages('stage-finished')).toEqual([]);
    archive.asked.length = 0;
    // The archive moves on, but not in what this image is made of.
    archive.add('unrelated', '1-1.el9', {requires: ['bash']});
    archive.publish();
    const refreshed = await project.build(['--refresh']);
    expect(refreshed.told.trim()).toBe('');
    expect(refreshed.stages('stage-finished').filter((stage) => !/^(?:archive|sbom):/.test(stage))).toEqual(
      [],
    );
    expect(archive.asked.filter((path) => path.endsWith('.rpm'))).toEqual([]);
    archive.add('hello', '2:1.1-1.el9', {
      files: {'/usr/share/hello/content': 'two\n'},
      requires: ['bash'],
    });
    archive.publish();
    const changed = await project.build(['--refresh']);
    expect(changed.told.trim()).toBe('');
    expect(changed.stages('stage-finished').filter((stage) => stage.startsWith('customize:'))).toEqual([
      'customize:rocks/packages',
      'customize:rocks/users',
      'customize:rocks/files',
      'customize:rocks/provision-1',
    ]);
    expect(archive.asked.filter((path) => path.endsWith('.rpm'))).toEqual([
      '9/BaseOS/x86_64/os/hello-1.1-1.el9.x86_64.rpm',
    ]);
  });

  it('has the same bytes in another cache, and when an ordinary user builds it', async () => {
    const again = await project.build();
    execFileSync('useradd', ['--create-home', user]);
    const id = Number(execFileSync('id', ['-u', user], {encoding: 'utf8'}));
    const own = new Project('rpm-user');
    own.write(files());
    execFileSync('chown', ['-R', `${String(id)}:${String(id)}`, own.folder]);
    chownSync(own.folder, id, id);
    const built = await own.build([], {as: id});
    expect(built.told.trim()).toBe('');
    expect(built.digests()).toEqual(again.digests());
    const [mine, theirs] = [own, project].map(({folder: at}) =>
      readFileSync(join(at, 'artifacts/rocks/tarball/root.tar')),
    );
    expect(mine?.equals(theirs ?? Buffer.alloc(0))).toBe(true);
  });

  it('refuses metadata and packages that are not signed by the key of the spec', async () => {
    archive.add('stranger', '1-1.el9', {requires: ['bash'], by: 'Somebody else'});
    archive.publish();
    const told = await failure(files({packages: '[stranger]'}));
    expect(told).toContain("A package of baseos is refused: not signed with the repository's key");
    expect(told).toMatch(/stranger-1-1\.el9\.x86_64: signed with another key, [0-9a-f]+/);
    archive.publish('Somebody else');
    const forged = await failure(files());
    expect(forged).toContain(
      "The metadata of baseos is refused: its signature is not of the repository's key",
    );
    const noKey = await failure(files({key: 'no key\n'}));
    expect(noKey).toContain('keys/test.asc is no OpenPGP public key');
  });

  it('refuses a package with other bytes than the metadata says', async () => {
    const file = archive.add('spoilt', '1-1.el9', {requires: ['bash']});
    archive.publish();
    appendFileSync(file, ' ');
    const larger = await failure(files({packages: '[spoilt]'}));
    expect(larger).toContain('spoilt 1-1.el9');
    expect(larger).toContain('refused');
    const bytes = readFileSync(file).subarray(0, -1);
    bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
    writeFileSync(file, bytes);
    const changed = await failure(files({packages: '[spoilt]'}));
    expect(changed).toMatch(/its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}/);
  });

  it('says which package no repository has, and refuses a lock', async () => {
    const misspelt = await failure(files({packages: '[helo]'}));
    expect(misspelt).toContain('No package helo in the repositories');
    for (const words of [['lock'], ['build', '--locked']]) {
      const locking = project.start(words);
      expect(await locking.end).toBe(2);
      expect(locking.stderr).toContain('A lock cannot name the packages of rocky 9 yet');
    }
    expect(readdirSync(project.folder)).not.toContain('fgimage.lock');
  });
});
