import {execFileSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';
import {Store} from '../../cache/store.ts';
import {enterImage} from '../../src/catalog/catalog.ts';
import {recordContent, recordRun} from './recorded.ts';
import {Rig} from './rig.ts';

const lock = (version: string, date: string, more = ''): string => `version: 1
archives:
  debian-bookworm:
    os: {distribution: debian, release: bookworm, architecture: amd64}
    suites:
      - {name: bookworm-security, origin: security, components: [main], date: "${date}", sha256: ${'a'.repeat(64)}}
    packages:
      - {name: openssl, version: ${version}, architecture: amd64, origin: security, path: pool/o.deb, size: 1, sha256: ${'b'.repeat(64)}}
${more}stages:
  customize:web/packages:
    archive: debian-bookworm
    install: [openssl]
    remove: []
    packages: [openssl]
sources: {}
`;

/** An artifact as it is handed out. */
function artifact(options: {readonly version: string; readonly digest: string; readonly users: string}): {
  readonly 'manifest.json': string;
  readonly 'inventory.json': string;
} {
  const {version, digest, users} = options;
  const packages = [{name: 'openssl', version, architecture: 'amd64'}];
  const files = [{path: 'rootfs.squashfs', size_bytes: 1024 * Number(version), sha256: digest.repeat(64)}];
  const stages = [{stage: 'pack:web/hpc', key: 'k', digest: digest.repeat(64)}];
  return {
    'manifest.json': JSON.stringify({
      version: 1,
      image: 'web',
      target: 'hpc',
      files,
      stages,
      packages,
      kernels: ['6.1.0-1'],
    }),
    'inventory.json': JSON.stringify({
      version: 1,
      packages: [],
      users: users
        .split(' ')
        .map((name) => ({name, uid: 1, gid: 1, home: '/', shell: '/bin/sh', password: 'locked'})),
      groups: [],
      units: [],
      setuid: [],
      files: {unowned: [], changed: []},
      kernels: [],
      size: {bytes: 100, files: 1, links: 0, folders: 1, packages_kib: 1},
    }),
  };
}

function filesIn(folder: string, files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text]));
}

describe('fgimage diff', () => {
  it('compares locks, and says so by its exit code', async () => {
    await using rig = new Rig({
      'old.lock': lock('3.0.15-1', '2026-01-01T00:00:00Z'),
      'fgimage.lock': lock('3.0.17-1', '2026-02-01T00:00:00Z'),
    });
    const same = await rig.run(['diff', 'old.lock', 'old.lock']);
    expect([same.code, same.stdout, same.stderr]).toEqual([0, 'old.lock → old.lock: the same\n', '']);
    const other = await rig.run(['diff', 'old.lock', 'fgimage.lock']);
    expect([other.code, other.stderr]).toEqual([1, '']);
    expect(other.stdout).toBe(`old.lock → fgimage.lock

debian-bookworm: suites
  ~ security bookworm-security (2026-01-01T00:00:00Z main aaaaaaaaaaaa → 2026-02-01T00:00:00Z main aaaaaaaaaaaa)

debian-bookworm: packages: 1 upgraded, 1 security update
  ~ openssl 3.0.15-1 → 3.0.17-1 (upgraded, security)

customize:web/packages: 1 upgraded, 1 security update
  ~ openssl 3.0.15-1 → 3.0.17-1 (upgraded, security)
`);
    const json = await rig.run(['diff', 'old.lock', 'fgimage.lock', '--json']);
    const told = JSON.parse(json.stdout) as Record<string, unknown>;
    expect([json.code, told['kind'], told['same']]).toEqual([1, 'lock', false]);
  });

  it('compares a lock with what it was in git', async () => {
    await using rig = new Rig({'fgimage.lock': lock('3.0.15-1', '2026-01-01T00:00:00Z')});
    const git = (...words: readonly string[]): void => {
      const who = ['-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'init.defaultBranch=main'];
      execFileSync('git', [...who, ...words], {
        cwd: rig.project,
        stdio: 'ignore',
        env: {PATH: rig.path, HOME: rig.join('home')},
      });
    };
    git('init');
    git('add', 'fgimage.lock');
    git('commit', '-m', 'lock');
    rig.write({'fgimage.lock': lock('3.0.14-1', '2026-01-01T00:00:00Z')});
    const {code, stdout, stderr} = await rig.run(['diff', 'HEAD:fgimage.lock', 'fgimage.lock']);
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout).toContain('  ~ openssl 3.0.15-1 → 3.0.14-1 (downgraded)\n');
  });

  it('compares artifacts in folders', async () => {
    await using rig = new Rig({
      ...filesIn('one', artifact({version: '1', digest: '1', users: 'root'})),
      ...filesIn('two', artifact({version: '2', digest: '2', users: 'root admin'})),
    });
    const {code, stdout, stderr} = await rig.run(['diff', './one', './two']);
    expect([code, stderr]).toEqual([1, '']);
    expect(stdout).toBe(`web/hpc 111111111111 → web/hpc 222222222222

packages: 1 upgraded
  ~ openssl 1 → 2 (upgraded)

users
  + admin

artifact
  ~ rootfs.squashfs (sha256 111111111111 → 222222222222)

size
  rootfs.squashfs 1.0 KiB → 2.0 KiB (+1.0 KiB)

not compared
  configuration: this cache does not know how web/hpc and web/hpc was made
`);
    const same = await rig.run(['diff', 'one', 'one']);
    expect([same.code, same.stdout.split('\n')[0]]).toEqual([
      0,
      'web/hpc 111111111111 → web/hpc 111111111111: the same',
    ]);
  });

  it('finds images of the catalog by name, and artifacts by digest', async () => {
    await using rig = new Rig(filesIn('out/web/hpc', artifact({version: '1', digest: '1', users: 'root'})));
    const store = Store.open(rig.cache);
    const pack = await recordContent(store, 'pack', {
      stage: 'pack:web/hpc',
      files: {'rootfs.squashfs': 'root'},
    });
    for (const target of ['hpc', 'openstack']) {
      enterImage(store.database, {
        image: 'web',
        target,
        digest: pack.digest,
        key: pack.key,
        specDigest: 's',
        path: rig.join('project/gone', target),
        file: 'rootfs.squashfs',
        sizeBytes: 4,
        tested: 'not tested',
        builtAt: 0,
      });
    }
    store.close();
    const byName = await rig.run(['diff', 'web/hpc', pack.digest.slice(0, 10)]);
    const name = `web/hpc ${pack.digest.slice(0, 12)}`;
    expect([byName.code, byName.stdout.split('\n')[0], byName.stderr]).toEqual([
      0,
      `${name} → ${name}: the same`,
      '',
    ]);
    const several = await rig.run(['diff', 'web', 'web']);
    expect([several.code, several.stderr]).toEqual([
      2,
      'error: web was built for several targets\n  mend: Name one: web/hpc, web/openstack\n',
    ]);
    const files = await rig.run(['diff', 'web/hpc', 'web/hpc', '--files']);
    expect([files.code, files.stderr]).toEqual([
      2,
      'error: The layers of web/hpc are no longer in the cache\n  mend: Build it again, or leave out --files: what no package brought is compared without them\n',
    ]);
    const misspelt = await rig.run(['diff', 'web/hpc', 'web/hcp']);
    expect([misspelt.code, misspelt.stderr]).toEqual([
      2,
      'error: There is no image, folder, lock or run web/hcp\n  mend: Did you mean web/hpc?\n',
    ]);
  });

  it('compares runs by what their stages are made of and gave', async () => {
    await using rig = new Rig();
    const store = Store.open(rig.cache);
    const base = await recordContent(store, 'base', {stage: 'base:debian'});
    const one = await recordContent(store, 'one', {stage: 'customize:web/one', inputs: [base]});
    const two = await recordContent(store, 'two', {stage: 'customize:web/one', inputs: [base]});
    recordRun(store, {id: 'aaaa1111-0', at: 1_700_000_000_000, stages: [base, one]});
    recordRun(store, {id: 'bbbb2222-0', at: 1_700_000_001_000, stages: [base, two]});
    store.close();
    const same = await rig.run(['diff', 'run:aaaa', 'run:aaaa']);
    expect([same.code, same.stdout]).toEqual([
      0,
      'run aaaa1111 → run aaaa1111: the same\n\ntook 0 ms → 0 ms\n',
    ]);
    const other = await rig.run(['diff', 'run:aaaa', 'run:bbbb']);
    expect([other.code, other.stdout]).toEqual([
      1,
      `run aaaa1111 → run bbbb2222

stages
  ~ customize:web/one (cached → cached)
      name: one → two

took 0 ms → 0 ms
`,
    ]);
    const none = await rig.run(['diff', 'run:aaaa', 'run:cccc']);
    expect([none.code, none.stderr]).toEqual([
      2,
      'error: There is no run cccc\n  mend: The last runs are bbbb2222, aaaa1111; one that was killed is not kept\n',
    ]);
  });

  it.each([
    [
      ['diff', 'fgimage.lock', 'one'],
      'error: Cannot compare a lock (fgimage.lock) with an image (web/hpc 111111111111)\n  mend: Name two images, two locks or two runs\n',
    ],
    [
      ['diff', './empty', 'one'],
      'error: There is no artifact in ./empty: it has no manifest.json\n  mend: Name the folder artifacts/<image>/<target>\n',
    ],
    [
      ['diff', './nested', 'one'],
      'error: There is no artifact in ./nested: it has no manifest.json\n  mend: Name nested/hpc\n',
    ],
    [
      ['diff', 'one', 'what'],
      'error: There is no image, folder, lock or run what\n  mend: Nothing was built into this cache yet; "fgimage diff --help" says what can be compared\n',
    ],
    [
      ['diff', 'one', '0123456789abcdef'],
      'error: There is no artifact with the digest 0123456789abcdef in this cache\n  mend: "fgimage images" lists those that were built; run:<id> names a run\n',
    ],
  ])('refuses %j', async (words, stderr) => {
    await using rig = new Rig({
      'fgimage.lock': lock('1.0-1', '2026-01-01T00:00:00Z'),
      'empty/file': '',
      ...filesIn('one', artifact({version: '1', digest: '1', users: 'root'})),
      ...filesIn('nested/hpc', artifact({version: '1', digest: '1', users: 'root'})),
    });
    const ended = await rig.run(words);
    expect([ended.code, ended.stdout, ended.stderr]).toEqual([2, '', stderr]);
  });

  it('tells where a lock is wrong', async () => {
    await using rig = new Rig({'a.lock': 'version: 7\n', 'b.lock': lock('1.0-1', '2026-01-01T00:00:00Z')});
    const {code, stderr} = await rig.run(['diff', 'a.lock', 'b.lock']);
    expect([code, stderr.split('\n')[0]?.startsWith('error: a.lock:1:')]).toEqual([2, true]);
  });
});
