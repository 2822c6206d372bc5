import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import type {ActionRecord} from '../../../cache/record.ts';
import {HttpBackend} from '../../../cache/remote/http.ts';
import {
  RemoteCache,
  type RemoteCacheOptions,
  type RemoteHit,
  type TransferEvent,
} from '../../../cache/remote/remote-cache.ts';
import type {SigningKey} from '../../../cache/remote/signature.ts';
import {sha256} from '../../../cache/tree.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {FaultyServer, status, times} from './faulty-server.ts';
import {keyOf, never, newKey, sampleRecord, sampleTree} from './samples.ts';

/** A server and machines that share it. */
class Setting implements AsyncDisposable {
  readonly server: FaultyServer;
  readonly folder = new TemporaryFolder({log: 'it went well\n'});
  readonly key = newKey();
  readonly warnings: (string | undefined)[][] = [];
  readonly events: TransferEvent[] = [];

  private constructor(server: FaultyServer) {
    this.server = server;
  }

  static async start(): Promise<Setting> {
    return new Setting(await FaultyServer.start());
  }

  machine(options: Partial<RemoteCacheOptions> = {}): RemoteCache {
    return new RemoteCache({
      backend: new HttpBackend(new URL(this.server.url), {silenceMs: 5000}),
      mode: 'rw',
      trustedKeys: [],
      workFolder: this.folder.join('work'),
      warn: (message, hint) => this.warnings.push([message, hint]),
      onTransfer: (event) => this.events.push(event),
      retryDelaysMs: [1, 1],
      ...options,
    });
  }

  writer(signingKey: SigningKey = this.key): RemoteCache {
    return this.machine({signingKey});
  }

  reader(): RemoteCache {
    return this.machine({mode: 'r', trustedKeys: [this.key]});
  }

  /** Uploads one stage with a log. */
  async publish(word = 'web', writer = this.writer()): Promise<ActionRecord> {
    const {path, digest} = await sampleTree(this.folder, `tree-${word}-${this.#trees++}`);
    const record = sampleRecord(word, digest, {log: sha256('it went well\n')});
    writer.upload(record, {treeFolder: path, logPath: this.folder.join('log')});
    await writer.finish();
    return record;
  }

  #trees = 0;

  /** Nothing that was on its way is left. */
  get leftovers(): readonly string[] {
    return existsSync(this.folder.join('work')) ? readdirSync(this.folder.join('work')) : [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
  }
}

async function hitOf(machine: RemoteCache, key: string): Promise<RemoteHit> {
  const hit = await machine.lookup(key, never);
  if (hit === undefined) throw new Error('The remote has no record that is believed');
  return hit;
}

describe('RemoteCache', {timeout: 60_000}, () => {
  it('gives another machine what one has put there', async () => {
    await using setting = await Setting.start();
    const {server, folder, key, events} = setting;
    const writer = setting.writer();
    expect(await writer.lookup(keyOf('web'), never)).toBeUndefined();
    const record = await setting.publish('web', writer);
    const sent = [...server.entries]
      .filter(([name]) => name.startsWith('/cas'))
      .reduce((sum, [, {length}]) => sum + length, 0);
    expect(server.requests.at(-1)).toBe(`PUT /ac/${record.key}`);
    expect(writer.canUpload).toBe(true);
    expect(writer.status()).toEqual({
      mode: 'rw',
      lookups: 1,
      hits: 0,
      ignored: 0,
      fetched: 0,
      fetchedBytes: 0,
      uploaded: 1,
      uploadedBytes: sent,
      failed: 0,
      lacksSigningKey: false,
      isLeftAlone: false,
    });
    expect(writer.statusLine()).toBe(`remote: read-write, 0 of 1 hit, 0 B fetched, 1 upload (${sent} B)`);

    const reader = setting.reader();
    expect(reader.name).toBe(server.url);
    const hit = await hitOf(reader, record.key);
    expect(hit).toMatchObject({record, keyId: key.id, log: {sha256: record.log, sizeBytes: 13}});
    const asked = server.requests.length;
    expect(await reader.lookup(record.key, never)).toBe(hit);
    expect(server.requests).toHaveLength(asked);
    folder.write({'object/.keep': ''});
    const fetched = await reader.fetchObject(hit, folder.join('object'), never);
    expect(fetched).toMatchObject({ok: true, value: {digest: record.digest}});
    expect(readFileSync(folder.join('object', 'tree', 'etc', 'motd'), 'utf8')).toBe('hello\n');
    expect(sha256(readFileSync(folder.join('object', 'manifest')))).toBe(record.digest);
    expect(await reader.fetchLog(hit, folder.join('its-log'), never)).toEqual({ok: true, value: undefined});
    expect(readFileSync(folder.join('its-log'), 'utf8')).toBe('it went well\n');
    expect(reader.statusLine()).toBe(`remote: read-only, 1 of 1 hit, ${sent} B fetched, 0 uploads`);
    expect(events.map(({direction, state, stage}) => `${direction} ${state} ${stage}`)).toEqual([
      'upload started customize:web/packages',
      'upload done customize:web/packages',
      'fetch started customize:web/packages',
      'fetch done customize:web/packages',
    ]);
    expect(setting.warnings).toEqual([]);
    expect(setting.leftovers).toEqual([]);
  });

  it('uploads nothing in mode r or without a key, and asks nothing in mode w', async () => {
    await using setting = await Setting.start();
    const {server, key} = setting;
    const keyless = setting.machine();
    await setting.publish('web', keyless);
    await setting.publish('web', setting.machine({mode: 'r', signingKey: key}));
    expect(server.requests).toEqual([]);
    expect(keyless.canUpload).toBe(false);
    expect(keyless.statusLine()).toBe(
      'remote: read-only, 0 of 0 hit, 0 B fetched, 0 uploads (no signing key)',
    );
    const writeOnly = setting.machine({mode: 'w', signingKey: key});
    const record = await setting.publish('web', writeOnly);
    expect(await writeOnly.lookup(record.key, never)).toBeUndefined();
    expect(writeOnly.statusLine()).toMatch(/^remote: write-only, 1 upload \(\d+ B\)$/);
  });

  it('sends the same content once, and a record that says the same not again', async () => {
    await using setting = await Setting.start();
    const {server} = setting;
    await setting.publish('web');
    const writer = setting.writer();
    await writer.lookup(keyOf('web'), never);
    await setting.publish('web', writer);
    await setting.publish('db', writer);
    const puts = server.requests.filter((request) => request.startsWith('PUT'));
    expect(puts.map((request) => request.slice(0, 8))).toEqual([
      'PUT /cas',
      'PUT /cas',
      'PUT /ac/',
      'PUT /ac/',
    ]);
    expect(puts.at(-1)).toBe(`PUT /ac/${keyOf('db')}`);
    expect(writer.status()).toMatchObject({uploaded: 1, uploadedBytes: 0});
  });

  it('uploads without the log when the log is lost', async () => {
    await using setting = await Setting.start();
    writeFileSync(setting.folder.join('log'), 'something else\n');
    const {key} = await setting.publish();
    const reader = setting.reader();
    const hit = await hitOf(reader, key);
    expect(hit.log).toBeUndefined();
    expect(hit.record.log).toBeUndefined();
    expect(await reader.fetchLog(hit, setting.folder.join('its-log'), never)).toEqual({
      ok: false,
      error: {kind: 'missing', message: 'The remote cache has no log of it'},
    });
  });

  it('ignores records of strangers with one line for each, and leaves them where they are', async () => {
    await using setting = await Setting.start();
    const {server} = setting;
    const stranger = newKey();
    for (const word of ['web', 'db']) await setting.publish(word, setting.writer(stranger));
    const before = new Map(server.entries);
    const machine = setting.writer();
    for (const word of ['web', 'db']) {
      expect(await machine.lookup(keyOf(word), never)).toBeUndefined();
      await setting.publish(word, machine);
    }
    expect(setting.warnings).toEqual([
      [
        `A record of the remote cache ${server.url} is ignored: it is signed by a key that is not trusted, ${stranger.id}`,
        'Add that key to the trusted keys if you trust who holds it.',
      ],
    ]);
    expect(machine.statusLine()).toBe(
      'remote: read-write, 0 of 2 hit, 0 B fetched, 0 uploads, 2 records ignored',
    );
    expect(new Map(server.entries)).toEqual(before);
  });

  it('replaces a poisoned record, which nobody believes', async () => {
    await using setting = await Setting.start();
    const {server} = setting;
    const {key, digest} = await setting.publish();
    const path = `/ac/${key}`;
    const whole = server.entries.get(path)?.toString() ?? '';
    server.entries.set(path, Buffer.from(whole.replace(digest, keyOf('evil'))));
    const machine = setting.writer();
    expect(await machine.lookup(key, never)).toBeUndefined();
    expect(setting.warnings).toEqual([
      [
        `A record of the remote cache ${server.url} is ignored: it is not what its signature is for`,
        'Ask who keeps the remote cache how it got there.',
      ],
    ]);
    await setting.publish('web', machine);
    expect((await setting.reader().lookup(key, never))?.record.digest).toBe(digest);
  });

  it.each([
    [
      'cut off',
      (bytes: Buffer) => bytes.subarray(0, 100),
      'damaged',
      /is damaged: 100 B came instead of \d+ B$/,
    ],
    [
      'changed',
      (bytes: Buffer) => Buffer.from(bytes).fill(0, 50, 60),
      'damaged',
      /is damaged: its bytes have another digest$/,
    ],
    ['gone', () => undefined, 'missing', /is not there any more$/],
  ])(
    'has the stage run again when an object is %s, and mends the remote',
    async (_, change, kind, message) => {
      await using setting = await Setting.start();
      const {server, folder} = setting;
      const {key} = await setting.publish();
      const machine = setting.writer();
      const hit = await hitOf(machine, key);
      const path = `/cas/${hit.object.sha256}`;
      const changed = change(server.entries.get(path) ?? Buffer.alloc(0));
      if (changed === undefined) server.entries.delete(path);
      else server.entries.set(path, changed);
      folder.write({'object/.keep': ''});
      const fetched = await machine.fetchObject(hit, folder.join('object'), never);
      expect(fetched).toMatchObject({
        ok: false,
        error: {kind, message: expect.stringMatching(message) as string},
      });
      expect(readdirSync(folder.join('object'))).toEqual(['.keep']);
      expect(setting.warnings).toEqual([
        [
          expect.stringMatching(
            /^Remote cache: customize:web\/packages cannot be had: The blob [0-9a-f]{12} /,
          ),
          'What the local cache does not have is built here.',
        ],
      ]);
      await setting.publish('web', machine);
      const reader = setting.reader();
      const again = await reader.fetchObject(await hitOf(reader, key), folder.join('object'), never);
      expect(again.ok).toBe(true);
      expect(setting.leftovers).toEqual([]);
    },
  );

  it('refuses a signed object that unpacks to something else', async () => {
    await using setting = await Setting.start();
    const {folder} = setting;
    const writer = setting.writer();
    const {path} = await sampleTree(folder, 'tree');
    writer.upload(sampleRecord('web', keyOf('another tree')), {treeFolder: path});
    await writer.finish();
    const reader = setting.reader();
    folder.write({'object/.keep': ''});
    const hit = await hitOf(reader, keyOf('web'));
    expect(await reader.fetchObject(hit, folder.join('object'), never)).toEqual({
      ok: false,
      error: {kind: 'damaged', message: 'What was unpacked is not what the record says'},
    });
    expect(readdirSync(folder.join('object'))).toEqual(['.keep']);
  });

  it('tells once that the remote is unreachable, and leaves it alone after three calls', async () => {
    await using setting = await Setting.start();
    const {server} = setting;
    server.fault = (_, response) => {
      response.destroy();
      return true;
    };
    const machine = setting.writer();
    for (const word of ['a', 'b', 'c', 'd', 'e']) {
      expect(await machine.lookup(keyOf(word), never)).toBeUndefined();
    }
    expect(server.requests).toHaveLength(9);
    expect(setting.warnings).toEqual([
      [
        `Remote cache: ${server.url} cannot be reached: socket hang up`,
        'What the local cache does not have is built here.',
      ],
    ]);
    expect(machine.statusLine()).toBe(
      'remote: read-write, 0 of 5 hit, 0 B fetched, 0 uploads, 3 failed, left alone after failures',
    );
  });

  it('goes on with a remote that fails now and then', async () => {
    await using setting = await Setting.start();
    const {server} = setting;
    const {key} = await setting.publish();
    const machine = setting.reader();
    server.fault = times(2 * 3, 'GET', status(503));
    await machine.lookup(keyOf('a'), never);
    await machine.lookup(keyOf('b'), never);
    expect(await machine.lookup(key, never)).toBeDefined();
    server.fault = times(2 * 3 + 2, 'GET', status(503));
    await machine.lookup(keyOf('c'), never);
    await machine.lookup(keyOf('d'), never);
    expect(await machine.lookup(keyOf('e'), never)).toBeUndefined();
    expect(machine.status()).toMatchObject({lookups: 6, hits: 1, failed: 4, isLeftAlone: false});
    expect(setting.warnings).toHaveLength(1);
  });

  it('makes one warning of uploads that are refused, and goes on reading', async () => {
    await using setting = await Setting.start();
    const {server} = setting;
    const {key} = await setting.publish();
    server.fault = times(99, 'PUT', status(403));
    const machine = setting.writer();
    const {path, digest} = await sampleTree(setting.folder, 'other', 'other\n');
    for (const word of ['a', 'b', 'c', 'd', 'e'])
      machine.upload(sampleRecord(word, digest), {treeFolder: path});
    await machine.finish();
    expect(setting.warnings).toEqual([
      [
        expect.stringMatching(
          /^Remote cache: customize:[ab]\/packages is not uploaded: A blob is not taken: http:\S+ answers 403 Forbidden$/,
        ),
        'Check the credentials for it, and what they allow.',
      ],
    ]);
    expect(machine.status()).toMatchObject({uploaded: 0, isLeftAlone: true});
    expect(await machine.lookup(key, never)).toBeDefined();
    expect(setting.leftovers).toEqual([]);
  });

  it('stores no record when its object did not get there', async () => {
    await using setting = await Setting.start();
    setting.server.fault = times(99, 'PUT /cas', status(500));
    await setting.publish();
    expect([...setting.server.entries.keys()]).toEqual([]);
    expect(setting.warnings).toEqual([
      [`Remote cache: ${setting.server.url} answers 500 Internal Server Error`, undefined],
    ]);
  });

  it('warns when an output cannot be packed', async () => {
    await using setting = await Setting.start();
    const writer = setting.writer();
    writer.upload(sampleRecord('web', keyOf('tree')), {treeFolder: setting.folder.join('nowhere')});
    await writer.finish();
    expect(setting.warnings).toEqual([
      [
        `Remote cache: customize:web/packages is not uploaded: ENOENT: no such file or directory, scandir '${setting.folder.join('nowhere')}'`,
        undefined,
      ],
    ]);
    expect(setting.leftovers).toEqual([]);
  });

  it('has two uploads under way at most', async () => {
    await using setting = await Setting.start();
    let now = 0;
    let most = 0;
    setting.server.fault = (request) => {
      if (request.method !== 'PUT') return false;
      now += 1;
      most = Math.max(most, now);
      request.once('close', () => {
        now -= 1;
      });
      return false;
    };
    const writer = setting.writer();
    for (const word of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const {path, digest} = await sampleTree(setting.folder, word, word);
      writer.upload(sampleRecord(word, digest), {treeFolder: path});
    }
    await writer.finish();
    expect(writer.status()).toMatchObject({uploaded: 6, failed: 0});
    expect(most).toBeLessThanOrEqual(2);
  });

  it('drops its uploads when it is cancelled, without a word', async () => {
    await using setting = await Setting.start();
    const {server, folder} = setting;
    const stop = new AbortController();
    server.fault = times(99, 'PUT', () => stop.abort(new Error('enough')));
    const writer = setting.writer();
    for (const word of ['a', 'b', 'c']) {
      const {path, digest} = await sampleTree(folder, word, word);
      writer.upload(sampleRecord(word, digest), {treeFolder: path});
    }
    await writer.finish(stop.signal);
    expect(writer.status()).toMatchObject({uploaded: 0, failed: 0});
    expect(setting.warnings).toEqual([]);
    expect(setting.leftovers).toEqual([]);
  });

  it('learns nothing from a lookup that is cancelled', async () => {
    await using setting = await Setting.start();
    const {server} = setting;
    const {key} = await setting.publish();
    const stop = new AbortController();
    server.fault = times(1, 'GET', () => stop.abort(new Error('enough')));
    const reader = setting.reader();
    expect(await reader.lookup(key, stop.signal)).toBeUndefined();
    const hit = await hitOf(reader, key);
    const fetched = await reader.fetchObject(hit, setting.folder.path, stop.signal);
    expect(fetched).toEqual({ok: false, error: {kind: 'cancelled', message: 'Cancelled'}});
    expect(setting.warnings).toEqual([]);
  });
});
