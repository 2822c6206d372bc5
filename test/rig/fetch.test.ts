import {mkdirSync, readdirSync, readFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {generateKeyPair} from '../../cache/remote/signature.ts';
import {sha256} from '../../cache/tree.ts';
import {deadAddress} from '../unit/lock/faulty-mirror.ts';
import {FetchRig} from './fetched.ts';
import {Rig} from './rig.ts';
import {bothTargets} from './specs.ts';

describe('fgimage fetch', () => {
  it('brings everything that the lock names, and nothing the second time', async () => {
    await using bench = await FetchRig.start();
    const {packages, rig, mirror} = bench;
    expect(await bench.run(['fetch'])).toMatchObject({
      code: 0,
      stdout: bench.line(`0 here already, ${packages.length} from the mirror (${bench.sizeBytes} B)`),
      stderr: '',
    });
    expect(rig.cached('packages')).toEqual(packages.map(({path}) => path.split('/').at(-1) ?? '').sort());
    for (const {name} of packages)
      expect(readFileSync(`${rig.cache}/packages/${name}_1.0_amd64.deb`, 'utf8')).toBe(name);
    const asked = mirror.asked.length;
    expect(await bench.run(['fetch'])).toMatchObject({
      code: 0,
      stdout: bench.line(`${packages.length} here already`),
    });
    const json = await bench.run(['fetch', '--json']);
    expect(JSON.parse(json.stdout)).toEqual({
      packages: {
        files: packages.length,
        size_bytes: bench.sizeBytes,
        fetched_bytes: 0,
        from_store: packages.length,
        from_mirror: 0,
        from_snapshot: 0,
        from_remote: 0,
      },
    });
    expect(mirror.asked).toHaveLength(asked);
    expect([rig.cached('tmp'), rig.cached('locks')]).toEqual([[], []]);
  });

  it('names what cannot be had and where it looked, keeps the rest, and brings it the next time', async () => {
    await using bench = await FetchRig.start();
    const {mirror, rig, packages} = bench;
    const places = ['http://mirror.example.org/debian/pool/main/curl_1.0_amd64.deb'];
    mirror.behaviours.set('/debian/pool/main/curl_1.0_amd64.deb', {gives: Buffer.from('evil')});
    const ended = await bench.run(['fetch']);
    const refused = `its SHA-256 is ${sha256('evil')}, not ${sha256('curl')}`;
    expect(ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `warning: curl 1.0 from ${places[0] ?? ''} is refused: ${refused}
  These are other bytes by the same name: tell whoever keeps that archive
error: curl 1.0 cannot be had
  curl 1.0:
    ${rig.cache}/packages: not there
    ${places[0] ?? ''}: refused, ${refused}
  mend: Run "fgimage update curl" to take what the archive has now, or name an archive of snapshots with os.snapshots in the spec
`,
    });
    expect(rig.cached('packages')).toHaveLength(packages.length - 1);
    mirror.behaviours.set('/debian/pool/main/curl_1.0_amd64.deb', {gives: Buffer.from('curl')});
    expect((await bench.run(['fetch'])).stdout).toBe(
      bench.line(`${packages.length - 1} here already, 1 from the mirror (4 B)`),
    );
  }, 60_000);

  it('takes from the archive of snapshots what the mirror has dropped', async () => {
    await using bench = await FetchRig.start({
      'fgimage.yaml': bothTargets.replace(
        '/debian"}',
        '/debian", snapshots: "http://old.example.org/@PATH@/@SNAPSHOTID@"}',
      ),
    });
    const {mirror, packages} = bench;
    mirror.behaviours.set('/debian/pool/main/curl_1.0_amd64.deb', {status: 404});
    // The lock is of midnight; a snapshot of that was taken in the morning.
    mirror.behaviours.set('/debian/20260101T060000Z/pool/main/curl_1.0_amd64.deb', {
      gives: Buffer.from('curl'),
    });
    const ended = await bench.run(['fetch']);
    expect(ended.stdout).toContain(`${packages.length - 1} from the mirror, 1 from the archive of snapshots`);
    expect(mirror.asked.filter((path) => path.includes('curl'))).toEqual([
      '/debian/pool/main/curl_1.0_amd64.deb',
      '/debian/20260101T000000Z/pool/main/curl_1.0_amd64.deb',
      '/debian/20260101T060000Z/pool/main/curl_1.0_amd64.deb',
    ]);
  });

  it('fills a remote cache, and takes from it what no archive has', async () => {
    await using bench = await FetchRig.start();
    const {rig, packages} = bench;
    mkdirSync(rig.join('share'));
    const pair = generateKeyPair();
    const remote = ['--remote-cache', rig.join('share')];
    await bench.run(['fetch']);
    const filled = await bench.run(['fetch', ...remote], {FGIMAGE_CACHE_SIGNING_KEY: pair.privatePem});
    expect(filled).toMatchObject({code: 0, stderr: ''});
    expect(readdirSync(rig.join('share', 'cas')).sort()).toEqual(packages.map((one) => one.sha256).sort());
    const http_proxy = await deadAddress();
    const taken = await bench.run(['fetch', ...remote, '--cache-dir', rig.join('other')], {
      FGIMAGE_CACHE_TRUSTED_KEYS: pair.publicKey,
      http_proxy,
    });
    expect(taken).toMatchObject({
      code: 0,
      stdout: bench.line(`0 here already, ${packages.length} from the remote cache (${bench.sizeBytes} B)`),
    });
  }, 120_000);

  it('brings the source packages too, by the lists of the archive', async () => {
    await using bench = await FetchRig.start();
    const {rig, mirror, packages} = bench;
    rig.fakeTool('dpkg-deb', `printf 'Package: %s\\nVersion: 1.0\\nSource: all (2.0-1)\\n' "$2"`);
    const files = {'all_2.0-1.dsc': 'description', 'all_2.0.orig.tar.gz': 'original'};
    const checksums = Object.entries(files).map(([name, text]) => ` ${sha256(text)} ${text.length} ${name}`);
    const list = [
      'Package: other',
      'Version: 2.0-1',
      '',
      'Package: all',
      'Version: 2.0-1',
      'Directory: pool/main/a/all',
    ]
      .concat('Checksums-Sha256:', checksums)
      .join('\n');
    rig.fakeTool(
      'apt-get',
      `[ "$1" = --version ] && echo 'apt 2.6.1 (amd64)' && exit
for word; do case $word in
  Dir::State::Lists=*) lists=\${word#*=};;
  Dir::Etc::SourceList=*) cp "\${word#*=}" '${rig.join('sources.list')}';;
esac; done
cat > "$lists/mirror.example.org_debian_dists_bookworm_main_source_Sources" <<'END'
${list}
END`,
    );
    for (const [name, text] of Object.entries(files))
      mirror.behaviours.set(`/debian/pool/main/a/all/${name}`, {gives: Buffer.from(text)});
    const ended = await bench.run(['fetch', '--sources']);
    expect(ended).toMatchObject({code: 0, stderr: ''});
    expect(ended.stdout.split('\n')[1]).toBe(
      '1 source package, 2 files, 19 B: 0 here already, 2 from the mirror (19 B)',
    );
    expect(rig.cached('packages')).toHaveLength(packages.length + 2);
    for (const line of rig.lines('sources.list'))
      expect(line).toMatch(
        /^deb-src \[signed-by="\/usr\/share\/keyrings\/debian-archive-keyring\.gpg"\] http:/,
      );

    rig.fakeTool('dpkg-deb', `printf 'Package: %s\\nVersion: 1.0\\n' "$2"`);
    const missing = await bench.run(['fetch', '--sources']);
    expect([missing.code, missing.stderr.split('\n')[0]]).toEqual([
      1,
      `error: The archives list no source package for ${packages.length} packages`,
    ]);
  }, 60_000);

  it('wants a lock that answers the spec', async () => {
    await using bench = await FetchRig.start();
    bench.rig.write({'fgimage.yaml': bothTargets.replace('- curl', '- wget')});
    const stale = await bench.run(['fetch']);
    expect([stale.code, stale.stderr.split('\n')[0]]).toEqual([
      5,
      'error: fgimage.lock does not answer the spec any more:',
    ]);
    await using empty = new Rig({'fgimage.yaml': bothTargets});
    expect(await empty.run(['fetch'])).toMatchObject({
      code: 5,
      stderr: 'error: There is no fgimage.lock beside the spec\n  mend: Make it with "fgimage lock"\n',
    });
  });
});
