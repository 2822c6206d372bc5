import {randomBytes} from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import type {RegistrarRequest} from '../../../targets/registrar.ts';
import {openFileRegistrar} from '../../../targets/shared/file-registrar.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {artifact, digestOf, request, Told} from './registrations.ts';

let folder: TemporaryFolder;
let store: string;

beforeEach(() => {
  folder = new TemporaryFolder({'store/.keep': ''});
  store = folder.join('store');
});

afterEach(() => folder[Symbol.dispose]());

const open = (register: JsonObject = {}, parts: Partial<RegistrarRequest> = {}) =>
  openFileRegistrar({
    request: request({register: {folder: store, ...register}, ...parts}),
    folderOption: 'folder',
    suffix: '.ova',
  });

const disk = (content: string | Buffer = 'bytes of a disk') =>
  artifact(folder.join('cache'), {'web.ova': content, 'inventory.json': '{}'});

const listed = (): readonly string[] =>
  readdirSync(store)
    .filter((name) => name !== '.keep')
    .sort();

describe('where it is opened', () => {
  it('says which option is missing where no folder is named', async () => {
    const opening = openFileRegistrar({request: request({}), folderOption: 'folder', suffix: '.ova'});
    await expect(opening).rejects.toMatchObject({
      code: 'USAGE',
      message: 'The target ova names no folder to register its file in',
      hint: 'Write targets.ova.register.folder; without it the artifact is a file in the output folder, and nothing more',
    });
  });

  it('makes no folder: what should be mounted there may not be', async () => {
    await expect(open({folder: join(store, 'mounted')})).rejects.toMatchObject({
      code: 'USAGE',
      message: `There is no folder ${join(store, 'mounted')} to register web.ova in`,
    });
  });

  it('takes a folder relative to the project, and one below the home', async () => {
    const inProject = await open({folder: 'store'}, {projectDir: folder.path});
    const atHome = await open({folder: '~/store'}, {env: {HOME: folder.path}});
    expect([inProject.endpoint, atHome.endpoint]).toEqual([store, store]);
  });

  it.each(['../web', 'a/b', '.web', 'a\nb'])('takes no name that leads elsewhere: %j', async (name) => {
    await expect(open({}, {name})).rejects.toMatchObject({
      code: 'USAGE',
      message: `"${name}" cannot be the name of a file`,
    });
  });
});

describe('create()', () => {
  it('puts the checked file and its sidecar into the folder', async () => {
    const registrar = await open();
    const told = new Told();

    const made = await registrar.create(disk(), told);

    expect(made).toMatchObject({
      id: 'web.ova',
      name: 'web',
      mark: {digest: digestOf('one'), lineage: 'shop/web/ova'},
      health: 'ready',
      properties: {permissions: '0644'},
    });
    expect(listed()).toEqual(['web.ova', 'web.ova.fgimage.json']);
    expect(readFileSync(join(store, 'web.ova'), 'utf8')).toBe('bytes of a disk');
    expect(told.ids).toEqual(['web.ova']);
    expect(told.fractions.at(-1)).toBe(1);
    expect(await registrar.find()).toEqual([made]);
    expect(JSON.parse(readFileSync(join(store, 'web.ova.fgimage.json'), 'utf8'))).toMatchObject({
      fgimage_digest: digestOf('one'),
      fgimage_lineage: 'shop/web/ova',
      name: 'web',
      state: 'ready',
      files: [{name: 'web.ova', size_bytes: 15, sha256: digestOf('bytes of a disk')}],
    });
  });

  it('copies holes as holes', async () => {
    const registrar = await open();
    const bytes = Buffer.concat([randomBytes(4096), Buffer.alloc(32 << 20)]);
    const sparse = disk(bytes);

    await registrar.create(sparse, new Told());

    const {size, blocks} = statSync(join(store, 'web.ova'));
    expect(size).toBe(bytes.length);
    expect(blocks * 512).toBeLessThan(2 << 20);
    expect(readFileSync(join(store, 'web.ova')).equals(bytes)).toBe(true);
  });

  it('refuses an artifact that is not what was packed, and leaves nothing that looks like one', async () => {
    const registrar = await open();
    const damaged = disk();
    writeFileSync(join(damaged.folder, damaged.file), 'bytes of a disc');

    await expect(registrar.create(damaged, new Told())).rejects.toMatchObject({code: 'CACHE_UNUSABLE'});

    expect(listed()).toEqual(['web.ova.fgimage.json']);
    const [left] = await registrar.find();
    expect(left).toMatchObject({health: 'pending', status: 'copying'});
    if (left !== undefined) await registrar.remove(left);
    expect(listed()).toEqual([]);
  });

  it('leaves a file of somebody else alone', async () => {
    writeFileSync(join(store, 'web.ova'), 'mine');
    const registrar = await open();

    expect(await registrar.find()).toEqual([
      {id: 'web.ova', name: 'web', health: 'ready', status: 'a file', properties: {}},
    ]);
    await expect(registrar.create(disk(), new Told())).rejects.toMatchObject({
      code: 'NAME_TAKEN',
      message: `${join(store, 'web.ova')} is there already, and fgimage did not register it`,
    });
    await registrar.remove({id: 'web.ova', name: 'web', health: 'ready', status: 'a file', properties: {}});

    expect(listed()).toEqual(['web.ova']);
    expect(readFileSync(join(store, 'web.ova'), 'utf8')).toBe('mine');
  });

  it('leaves a file alone that came while it copied', async () => {
    const registrar = await open();
    const meanwhile = {
      begun: () => undefined,
      report: () => writeFileSync(join(store, 'web.ova'), 'mine'),
    };

    await expect(registrar.create(disk(), meanwhile)).rejects.toMatchObject({code: 'NAME_TAKEN'});

    const pending = (await registrar.find()).filter(({mark}) => mark !== undefined);
    expect(pending).toMatchObject([{health: 'pending'}]);
    for (const one of pending) await registrar.remove(one);
    expect(listed()).toEqual(['web.ova']);
    expect(readFileSync(join(store, 'web.ova'), 'utf8')).toBe('mine');
  });

  it('goes on where an earlier try was killed, before and after the file got its name', async () => {
    const registrar = await open();
    await registrar.create(disk(), new Told());
    const sidecar = join(store, 'web.ova.fgimage.json');
    const pending = readFileSync(sidecar, 'utf8').replace('"ready"', '"copying"');

    writeFileSync(sidecar, pending);
    writeFileSync(join(store, '.web.ova.part'), 'half of');
    const inode = statSync(join(store, 'web.ova')).ino;
    const [named] = await registrar.find();
    expect(await registrar.create(disk(), new Told(), named)).toMatchObject({health: 'ready'});
    expect(statSync(join(store, 'web.ova')).ino).toBe(inode);

    writeFileSync(sidecar, pending);
    renameSync(join(store, 'web.ova'), join(store, '.web.ova.part'));
    truncateSync(join(store, '.web.ova.part'), 3);
    const [unnamed] = await registrar.find();
    expect(await registrar.create(disk(), new Told(), unnamed)).toMatchObject({health: 'ready'});
    expect(readFileSync(join(store, 'web.ova'), 'utf8')).toBe('bytes of a disk');
    expect(listed()).toEqual(['web.ova', 'web.ova.fgimage.json']);
  });

  it('ends when it is cancelled, and is found as unfinished', async () => {
    const controller = new AbortController();
    const registrar = await open({}, {signal: controller.signal});
    const reason = new Error('time is over');
    const copying = registrar.create(disk(Buffer.alloc(5 << 20, 1)), {
      begun: () => undefined,
      report: () => controller.abort(reason),
    });
    await expect(copying).rejects.toBe(reason);
    expect(await (await open()).find()).toMatchObject([{health: 'pending', mark: {digest: digestOf('one')}}]);
  });

  it('says that a folder cannot be written', async () => {
    const registrar = await open();
    const lost = {...disk(), folder: folder.join('nowhere')};
    await expect(registrar.create(lost, new Told())).rejects.toMatchObject({code: 'OUTPUT_UNUSABLE'});
  });
});

describe('what has become of it', () => {
  it.each<[string, (path: string) => void, string]>([
    ['deleted', (path) => renameSync(path, `${path}.gone`), 'web.ova is gone'],
    ['shortened', (path) => truncateSync(path, 3), 'web.ova has 3 bytes; 15 bytes were registered'],
    [
      'altered',
      (path) => writeFileSync(path, 'bytes of a disc'),
      'web.ova has other bytes than were registered',
    ],
    [
      'replaced by a folder',
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
      'web.ova is no file any more',
    ],
  ])('is told where the file was %s', async (_, spoil, reason) => {
    const registrar = await open();
    await registrar.create(disk(), new Told());
    spoil(join(store, 'web.ova'));
    expect(await registrar.get('web.ova')).toMatchObject({health: 'broken', status: 'altered', reason});
  });

  it('reads the bytes again where only the time is another', async () => {
    const registrar = await open();
    await registrar.create(disk(), new Told());
    utimesSync(join(store, 'web.ova'), 1, 1);
    expect(await registrar.get('web.ova')).toMatchObject({health: 'ready'});
  });

  it('mends permissions in place', async () => {
    const registrar = await open({permissions: '640'});
    await registrar.create(disk(), new Told());
    chmodSync(join(store, 'web.ova'), 0o666);
    const [found] = await registrar.find();
    expect(found?.properties).toEqual({permissions: '0666'});
    expect(registrar.properties).toEqual({permissions: '0640'});
    if (found === undefined) throw new Error('It is not found');
    const changes = [{name: 'permissions', from: '0666', to: '0640'}];
    expect(await registrar.update(found, changes)).toMatchObject({properties: {permissions: '0640'}});
    expect(statSync(join(store, 'web.ova')).mode & 0o777).toBe(0o640);
  });

  it('finds its older ones, marks them, and passes over what is of another lineage', async () => {
    const old = await open({}, {name: 'web-old', mark: {digest: digestOf('zero'), lineage: 'shop/web/ova'}});
    await old.create(disk(), new Told());
    const other = await open({}, {name: 'db', mark: {digest: digestOf('zero'), lineage: 'shop/db/ova'}});
    await other.create(disk(), new Told());
    const registrar = await open();
    const [found, ...more] = await registrar.find();
    expect([found?.id, more]).toEqual(['web-old.ova', []]);
    if (found === undefined) return;
    await registrar.deprecate?.(found);
    expect(await registrar.find()).toMatchObject([{id: 'web-old.ova', deprecated: true, health: 'ready'}]);
    await registrar.remove(found);
    expect(listed()).toEqual(['db.ova', 'db.ova.fgimage.json']);
    await registrar.remove(found);
    await registrar.remove({...found, id: 'db.ova'});
    expect(existsSync(join(store, 'db.ova'))).toBe(true);
  });

  it('takes nothing out of other folders, whatever a sidecar says', async () => {
    const registrar = await open();
    await registrar.create(disk(), new Told());
    const sidecar = join(store, 'web.ova.fgimage.json');
    writeFileSync(folder.join('precious'), 'mine');
    writeFileSync(
      sidecar,
      readFileSync(sidecar, 'utf8').replace('"name": "web.ova"', '"name": "../precious"'),
    );
    const found = await registrar.find();
    expect(found).toMatchObject([{id: 'web.ova', status: 'a file'}]);
    for (const one of found) await registrar.remove(one);
    expect(readFileSync(folder.join('precious'), 'utf8')).toBe('mine');
  });
});
