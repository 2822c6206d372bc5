import {mkdirSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {DirectoryBackend} from '../../../cache/remote/directory.ts';
import {RemoteCache} from '../../../cache/remote/remote-cache.ts';
import {sha256} from '../../../cache/tree.ts';
import {type BringOptions, bringDebs, type WantedDeb} from '../../../src/lock/bring.ts';
import {parseFetchError, publicUri} from '../../../src/lock/bring-download.ts';
import {CommandLog} from '../../../src/sandbox/process.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {newKey} from '../remote/samples.ts';
import {deadAddress, FaultyMirror} from './faulty-mirror.ts';

const bytes = Buffer.from('a package of Debian'.repeat(500));
const flipped = Buffer.from(bytes);
flipped[100] = (flipped[100] ?? 0) ^ 1;

function deb(over: Partial<WantedDeb> = {}): WantedDeb {
  return {
    name: 'jq',
    version: '1:1.6-2',
    architecture: 'amd64',
    fileName: 'jq_1%3a1.6-2_amd64.deb',
    sizeBytes: bytes.length,
    sha256: sha256(bytes),
    uris: [],
    snapshotUris: [],
    ...over,
  };
}

/** A store in a folder of its own, and what `bringDebs` said to it. */
class Bench extends TemporaryFolder {
  readonly warnings: string[] = [];
  readonly log = new CommandLog(this.join('log'), () => undefined);

  readonly packages = this.join('packages');

  async bring(wanted: readonly WantedDeb[], options: Partial<BringOptions> = {}) {
    mkdirSync(this.join('work'), {recursive: true});
    const result = await bringDebs(wanted, {
      packages: this.packages,
      work: this.join('work'),
      offline: false,
      log: this.log,
      signal: new AbortController().signal,
      progress: () => undefined,
      warn: (message) => this.warnings.push(message),
      ...options,
    });
    await this.log.close();
    return result;
  }

  stored(): Record<string, string> {
    return Object.fromEntries(
      readdirSync(this.packages).map((name) => [name, sha256(readFileSync(this.join('packages', name)))]),
    );
  }
}

const done = {fromStore: 0, fromMirror: 0, fromSnapshot: 0, fromRemote: 0, broughtBytes: 0};
const stored = {'jq_1%3a1.6-2_amd64.deb': sha256(bytes)};

// apt waits seconds before it tries again.
describe('bringDebs()', {timeout: 60_000}, () => {
  it('takes what the store has without asking anybody', async () => {
    using bench = new Bench({'packages/jq_1%3a1.6-2_amd64.deb': bytes.toString()});
    await using mirror = await FaultyMirror.start({'/jq.deb': {gives: bytes}});
    const result = await bench.bring([deb({uris: [mirror.at('/jq.deb')]})], {into: bench.join('into')});
    expect(result).toEqual({ok: true, value: {...done, fromStore: 1}});
    expect(mirror.asked).toEqual([]);
    const [linked, kept] = ['into', 'packages'].map(
      (folder) => statSync(bench.join(folder, 'jq_1%3a1.6-2_amd64.deb')).ino,
    );
    expect(linked).toBe(kept);
  });

  it('brings it from the first mirror that has it, then from the snapshot archive', async () => {
    using bench = new Bench();
    await using mirror = await FaultyMirror.start({
      '/b/jq.deb': {gives: bytes},
      '/snapshot/2/other.deb': {gives: flipped},
    });
    const other = deb({name: 'other', fileName: 'other_1_amd64.deb', sha256: sha256(flipped)});
    const result = await bench.bring([
      deb({uris: [mirror.at('/a/jq.deb'), mirror.at('/b/jq.deb')], snapshotUris: [mirror.at('/never')]}),
      {
        ...other,
        uris: [mirror.at('/a/other.deb')],
        snapshotUris: [mirror.at('/snapshot/1/other.deb'), mirror.at('/snapshot/2/other.deb')],
      },
    ]);
    expect(result).toEqual({
      ok: true,
      value: {...done, fromMirror: 1, fromSnapshot: 1, broughtBytes: 2 * bytes.length},
    });
    expect(bench.stored()).toEqual({...stored, 'other_1_amd64.deb': sha256(flipped)});
    expect(mirror.asked).not.toContain('/never');
    expect(bench.warnings).toEqual([]);
  });

  it('copies what lies in a folder of this host', async () => {
    using bench = new Bench({'archive/jq.deb': bytes.toString()});
    const result = await bench.bring([deb({uris: [`file:${bench.join('archive', 'jq.deb')}`]})]);
    expect(result.ok).toBe(true);
    writeFileSync(bench.join('archive', 'jq.deb'), 'something else');
    expect(bench.stored()).toEqual(stored);
  });

  it('refuses a tampered package by name and digest, and takes the right one from the next place', async () => {
    using bench = new Bench();
    await using mirror = await FaultyMirror.start({'/evil.deb': {gives: flipped}, '/jq.deb': {gives: bytes}});
    const evil = mirror.at('/evil.deb');
    expect(await bench.bring([deb({uris: [evil, mirror.at('/jq.deb')]})])).toMatchObject({
      ok: true,
      value: {fromMirror: 1},
    });
    expect(bench.warnings).toEqual([
      `jq 1:1.6-2 from ${evil} is refused: its SHA-256 is ${sha256(flipped)}, not ${sha256(bytes)}`,
    ]);
    expect(bench.stored()).toEqual(stored);
    expect(readdirSync(bench.join('work', 'download'))).toEqual([]);
  });

  it('names every place where it looked, and why it is not from there', async () => {
    using bench = new Bench();
    const dead = await deadAddress();
    await using mirror = await FaultyMirror.start({
      '/flipped': {gives: flipped},
      '/page': {gives: Buffer.from('<html>Log in to the hotel network</html>')},
      '/short': {truncates: bytes, after: 1000},
      '/loop': {redirectsTo: '/loop'},
      '/busy': {status: 503},
      '/pours': {pours: true},
    });
    const paths = ['/gone', '/flipped', '/page', '/short', '/loop', '/busy', '/pours'];
    const result = await bench.bring([
      deb({uris: [...paths.map((path) => mirror.at(path)), `${dead}/jq.deb`], snapshotUris: ['nonsense']}),
    ]);
    const details = result.ok || result.error.reason !== 'refused' ? [] : (result.error.details ?? []);
    const told = details.map((line) => line.replaceAll(mirror.at(''), '').replaceAll(dead, 'dead'));
    expect(told).toEqual([
      'jq 1:1.6-2:',
      `  ${bench.packages}: not there`,
      '  /gone: 404 Not Found',
      `  /flipped: refused, its SHA-256 is ${sha256(flipped)}, not ${sha256(bytes)}`,
      `  /page: refused, its SHA-256 is ${sha256('<html>Log in to the hotel network</html>')}, not ${sha256(bytes)} (40 bytes instead of 9500)`,
      expect.stringMatching(/^ {2}\/short: \S/),
      '  /loop: Redirection loop encountered',
      '  /busy: 503 Service Unavailable',
      `  /pours: refused, it is larger than 9500 bytes`,
      expect.stringMatching(/^ {2}dead\/jq\.deb: Could not connect to .* Connection refused\)$/),
      '  nonsense: it is no URI',
    ]);
    expect(result).toMatchObject({
      ok: false,
      error: {
        reason: 'refused',
        message: 'jq 1:1.6-2 cannot be had',
        hint: 'Run "fgimage update jq" to take what the archive has now, or name an archive of snapshots with os.snapshots in the spec',
      },
    });
    expect(bench.stored()).toEqual({});
  });

  it('says that nothing answers where nothing answers', async () => {
    using bench = new Bench();
    const dead = await deadAddress();
    const wanted = [1, 2, 3].map((version) =>
      deb({version: String(version), fileName: `jq_${version}_amd64.deb`, uris: [`${dead}/${version}`]}),
    );
    expect(await bench.bring(wanted)).toMatchObject({
      ok: false,
      error: {
        message: '3 packages cannot be had',
        hint: 'Check that the archive can be reached from this host, then run the build again: what was fetched is kept',
      },
    });
  });

  it('keeps what came although something else is missing', async () => {
    using bench = new Bench();
    await using mirror = await FaultyMirror.start({'/jq.deb': {gives: bytes}});
    const gone = deb({
      name: 'gone',
      fileName: 'gone_1_amd64.deb',
      uris: [mirror.at('/gone.deb')],
      sha256: 'f'.repeat(64),
    });
    const result = await bench.bring([deb({uris: [mirror.at('/jq.deb')]}), gone], {mend: 'Ask again'});
    expect(result).toMatchObject({
      ok: false,
      error: {message: 'gone 1:1.6-2 cannot be had', hint: 'Ask again'},
    });
    expect(bench.stored()).toEqual(stored);
  });

  it('asks nobody offline, and names what is missing', async () => {
    using bench = new Bench();
    await using mirror = await FaultyMirror.start({'/jq.deb': {gives: bytes}});
    const wanted = Array.from({length: 12}, (_, index) =>
      deb({name: `p${index}`, fileName: `p${index}_1_amd64.deb`, uris: [mirror.at('/jq.deb')]}),
    );
    expect(await bench.bring(wanted, {offline: true})).toEqual({
      ok: false,
      error: {
        reason: 'refused',
        message: '12 packages are not in the package store, and nothing is fetched offline',
        details: [...wanted.slice(0, 10).map(({name}) => `${name} 1:1.6-2`), 'and 2 more'],
        hint: 'Run "fgimage fetch" while there is a network, or build from a bundle',
      },
    });
    expect(mirror.asked).toEqual([]);
  });

  it('stops when it is told to', async () => {
    using bench = new Bench();
    await using mirror = await FaultyMirror.start({'/pours': {pours: true}});
    const stop = new AbortController();
    const bringing = bench.bring([deb({sizeBytes: 1e12, uris: [mirror.at('/pours')]})], {
      signal: stop.signal,
      progress: (message) => {
        if (/^Downloading [1-9]/.test(message)) stop.abort();
      },
    });
    await expect(bringing).rejects.toThrow('aborted');
    expect(bench.stored()).toEqual({});
  });
});

describe('the package store', () => {
  it('holds two packages of one name with other bytes, and gives each by its digest', async () => {
    using bench = new Bench();
    await using mirror = await FaultyMirror.start({'/a.deb': {gives: bytes}, '/b.deb': {gives: flipped}});
    const a = deb({uris: [mirror.at('/a.deb')]});
    const b = deb({uris: [mirror.at('/b.deb')], sha256: sha256(flipped)});
    for (const one of [a, b])
      expect(await bench.bring([one])).toMatchObject({ok: true, value: {fromMirror: 1}});
    for (const one of [a, b, a]) {
      expect(await bench.bring([one], {offline: true})).toMatchObject({ok: true, value: {fromStore: 1}});
      expect(bench.stored()[one.fileName]).toBe(one.sha256);
    }
    expect(Object.keys(bench.stored())).toHaveLength(2);
  });

  it('does not take damaged bytes, and brings them anew', async () => {
    using bench = new Bench({'packages/jq_1%3a1.6-2_amd64.deb': flipped.toString()});
    await using mirror = await FaultyMirror.start({'/jq.deb': {gives: bytes}});
    const wanted = [deb({uris: [mirror.at('/jq.deb')]})];
    expect(await bench.bring(wanted, {offline: true})).toMatchObject({ok: false});
    expect(await bench.bring(wanted)).toMatchObject({ok: true, value: {fromMirror: 1}});
    expect(bench.stored()).toMatchObject(stored);
  });
});

describe('the remote package store', () => {
  function remoteCache(folder: TemporaryFolder, mode: 'r' | 'rw'): RemoteCache {
    mkdirSync(folder.join('share'), {recursive: true});
    return new RemoteCache({
      backend: new DirectoryBackend(folder.join('share')),
      mode,
      trustedKeys: [],
      ...(mode === 'r' ? {} : {signingKey: newKey()}),
      workFolder: folder.join('work'),
      warn: (message) => expect.unreachable(message),
    });
  }

  it('gets what was fetched, and has it when no archive has it any more', async () => {
    using bench = new Bench();
    await using mirror = await FaultyMirror.start({'/jq.deb': {gives: bytes}});
    const first = remoteCache(bench, 'rw');
    await bench.bring([deb({uris: [mirror.at('/jq.deb')]})], {remote: first.packages});
    await first.finish();
    expect(first.status()).toMatchObject({uploaded: 1, uploadedBytes: bytes.length, failed: 0});
    expect(readdirSync(bench.join('share', 'cas'))).toEqual([sha256(bytes)]);

    const second = remoteCache(bench, 'r');
    const result = await bench.bring([deb({uris: [mirror.at('/gone')]})], {
      packages: bench.join('empty'),
      remote: second.packages,
    });
    expect(result).toEqual({ok: true, value: {...done, fromRemote: 1, broughtBytes: bytes.length}});
    expect(sha256(readFileSync(bench.join('empty', deb().fileName)))).toBe(sha256(bytes));
  });

  it('names packages to a back end that would drop what nobody names', async () => {
    using bench = new Bench();
    bench.write({'jq.deb': bytes.toString()});
    mkdirSync(bench.join('share'));
    class Forgetful extends DirectoryBackend {
      readonly dropsUnnamed = true;
    }
    const remote = new RemoteCache({
      backend: new Forgetful(bench.join('share')),
      mode: 'rw',
      trustedKeys: [],
      signingKey: newKey(),
      workFolder: bench.join('work'),
      warn: (message) => expect.unreachable(message),
    });
    remote.packages.upload(deb(), bench.join('jq.deb'));
    await remote.finish();
    const [record = ''] = readdirSync(bench.join('share', 'ac'));
    expect(record).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.parse(readFileSync(bench.join('share', 'ac', record), 'utf8'))).toEqual({
      package: sha256(bytes),
    });
    expect(readdirSync(bench.join('work'))).toEqual([]);
  });

  it('is not believed either', async () => {
    using bench = new Bench();
    mkdirSync(bench.join('share', 'cas'), {recursive: true});
    writeFileSync(bench.join('share', 'cas', sha256(bytes)), flipped);
    const warnings: string[] = [];
    const remote = new RemoteCache({
      backend: new DirectoryBackend(bench.join('share')),
      mode: 'r',
      trustedKeys: [],
      workFolder: bench.join('work'),
      warn: (message) => warnings.push(message),
    });
    const result = await bench.bring([deb(), deb({name: 'b', fileName: 'b.deb', sha256: 'b'.repeat(64)})], {
      remote: remote.packages,
    });
    const where = `remote cache ${bench.join('share')}`;
    expect(result).toMatchObject({
      ok: false,
      error: {
        details: [
          'jq 1:1.6-2:',
          `  ${bench.packages}: not there`,
          `  ${where}: refused, The blob ${sha256(bytes).slice(0, 12)} is damaged: its bytes have another digest`,
          'b 1:1.6-2:',
          `  ${bench.packages}: not there`,
          `  ${where}: not there`,
        ],
      },
    });
    expect(warnings).toHaveLength(1);
    expect(bench.stored()).toEqual({});
  });
});

describe('parseFetchError()', () => {
  it('reads what apt-helper says at its end', () => {
    expect(
      parseFetchError('E: Failed to fetch http://127.0.0.1/jq.deb  404  Not Found [IP: 127.0.0.1 80]'),
    ).toEqual({uri: 'http://127.0.0.1/jq.deb', reason: '404 Not Found'});
    expect(parseFetchError('E: Download Failed')).toBeUndefined();
  });
});

describe('publicUri()', () => {
  it('leaves out credentials', () => {
    expect(publicUri('https://me:secret@mirror.example.org/a@b')).toBe('https://mirror.example.org/a@b');
    expect(publicUri('file:/srv/a@b')).toBe('file:/srv/a@b');
  });
});
