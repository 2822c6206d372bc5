import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import {domainXml} from '../../../targets/libvirt/domain.ts';
import {domainOf} from '../../../targets/libvirt/options.ts';
import {openRegistrar as openVolume} from '../../../targets/libvirt/register.ts';
import {schema as libvirtSchema} from '../../../targets/libvirt/schema.ts';
import {openRegistrar as openBox} from '../../../targets/vagrant/register.ts';
import {schema as vagrantSchema} from '../../../targets/vagrant/schema.ts';
import {image} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {artifact, digestOf, request, Told} from './registrations.ts';

let folder: TemporaryFolder;
let store: string;

beforeEach(() => {
  folder = new TemporaryFolder({'store/.keep': ''});
  store = folder.join('store');
});

afterEach(() => folder[Symbol.dispose]());

const listed = (): readonly string[] =>
  readdirSync(store)
    .filter((name) => name !== '.keep')
    .sort();

describe('libvirt', () => {
  const uuid = '8c1b3a0e-5d0f-4c34-9d8e-0f1d2c3b4a59';
  const read = (options: JsonObject): JsonObject =>
    libvirtSchema.parse({...options, register: {pool: store}});

  function packed(options: JsonObject) {
    const xml = domainXml({...domainOf(image(), options), uuid});
    return artifact(folder.join('cache'), {'disk.qcow2': 'a disk', 'domain.xml': xml});
  }

  it('puts a volume into the pool, and beside it the domain with its path, name and UUID', async () => {
    const options = read({domain: {cpus: 3}});
    const registrar = await openVolume(request({options, name: 'web-1'}));
    const made = await registrar.create(packed(options), new Told());
    expect(made).toMatchObject({id: 'web-1.qcow2', health: 'ready'});
    expect(listed()).toEqual(['web-1.qcow2', 'web-1.qcow2.fgimage.json', 'web-1.xml']);
    const xml = readFileSync(join(store, 'web-1.xml'), 'utf8');
    expect(xml).toContain('<name>web-1</name>');
    expect(xml).toContain(`<uuid>${uuid}</uuid>`);
    expect(xml).toContain(`<source file='${join(store, 'web-1.qcow2')}'/>`);
    expect(xml).toContain('<vcpu>3</vcpu>');

    await registrar.remove(made);
    expect(listed()).toEqual([]);
  });

  it('notices that somebody has changed the domain', async () => {
    const options = read({});
    const registrar = await openVolume(request({options}));
    await registrar.create(packed(options), new Told());
    writeFileSync(join(store, 'web.xml'), '<domain/>');
    expect(await registrar.find()).toMatchObject([
      {
        health: 'broken',
        reason: expect.stringMatching(/^web\.xml has 9 bytes; \d+ bytes were registered$/) as string,
      },
    ]);
  });

  it('overwrites no domain of somebody else', async () => {
    const options = read({});
    writeFileSync(join(store, 'web.xml'), '<domain/>');
    const registrar = await openVolume(request({options}));
    await expect(registrar.create(packed(options), new Told())).rejects.toMatchObject({code: 'NAME_TAKEN'});
    expect(listed()).toEqual(['web.xml']);
  });

  it('registers the first of several formats', async () => {
    const options = read({format: ['raw', 'qcow2']});
    const registrar = await openVolume(request({options}));
    const made = await registrar.create(packed(options), new Told());
    expect(made.id).toBe('web.raw');
    expect(readFileSync(join(store, 'web.xml'), 'utf8')).toContain("type='raw'");
  });

  it('names the option for the pool where there is none', async () => {
    const opening = openVolume(request({options: libvirtSchema.parse({}), target: 'lab'}));
    await expect(opening).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringContaining('targets.lab.register.pool') as string,
    });
  });
});

describe('vagrant', () => {
  const catalog = {box: 'example/web', url: 'https://boxes.example.org/web/'};

  const open = (name: string, digest: string, register: JsonObject = {catalog}) =>
    openBox(
      request({
        options: vagrantSchema.parse({register: {folder: store, ...register}}),
        name,
        mark: {digest: digestOf(digest), lineage: 'shop/web/vagrant'},
      }),
    );

  const box = (content: string) => artifact(folder.join(`cache-${content}`), {'disk.box': content});

  interface Catalog {
    readonly name: string;
    readonly versions: readonly {
      readonly version: string;
      readonly providers: readonly Record<string, unknown>[];
    }[];
  }

  const readCatalog = (): Catalog =>
    JSON.parse(readFileSync(join(store, 'example-web.json'), 'utf8')) as Catalog;

  it('writes a catalog of what is in the folder, the newest first', async () => {
    const first = await open('web-1', 'one');
    const made = await first.create(box('one'), new Told());
    const second = await open('web-2', 'two');
    await second.create(box('two'), new Told());

    const {name, versions} = readCatalog();
    expect(name).toBe('example/web');
    expect(versions.map(({providers}) => providers)).toEqual([
      [
        {
          name: 'libvirt',
          url: 'https://boxes.example.org/web/web-2.box',
          checksum_type: 'sha256',
          checksum: digestOf('two'),
          architecture: 'amd64',
          default_architecture: true,
        },
      ],
      [expect.objectContaining({url: 'https://boxes.example.org/web/web-1.box', checksum: digestOf('one')})],
    ]);
    // Gem::Version, which Vagrant compares versions as.
    for (const {version} of versions) expect(version).toMatch(/^2\d{7}\.(0|[1-9]\d*)\.(0|[1-9]\d*)$/);

    await first.remove(made);
    expect(readCatalog().versions.map(({providers}) => providers[0]?.['checksum'])).toEqual([
      digestOf('two'),
    ]);
  });

  it('leaves a catalog alone that is not of this lineage', async () => {
    writeFileSync(join(store, 'example-web.json'), '{"name":"example/web","versions":[]}\n');
    const registrar = await open('web-1', 'one');
    await expect(registrar.create(box('one'), new Told())).rejects.toMatchObject({code: 'NAME_TAKEN'});
    expect(readFileSync(join(store, 'example-web.json'), 'utf8')).toBe(
      '{"name":"example/web","versions":[]}\n',
    );
  });

  it('writes none where none is asked for', async () => {
    await (await open('web-1', 'one', {})).create(box('one'), new Told());
    expect(listed()).toEqual(['web-1.box', 'web-1.box.fgimage.json']);
  });
});
