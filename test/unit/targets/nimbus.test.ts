import {describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import {readProperties, repositoryOf} from '../../../targets/nimbus/cloud-properties.ts';
import {target} from '../../../targets/nimbus/index.ts';
import {imageKey, imagesOf, markKey} from '../../../targets/nimbus/marks.ts';
import {schema} from '../../../targets/nimbus/schema.ts';
import {image} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const adapt = (options: JsonObject = {}, spec = image()) => target.adapt(spec, schema.parse(options));
const pack = (options: JsonObject = {}, spec = image()) => target.pack(spec, schema.parse(options));
const boot = (options: JsonObject = {}) => target.boot(image(), schema.parse(options));

const properties = `vws.repository=cumulus.example.org:8888
vws.repository.s3id=ID
vws.repository.s3key=KEY
vws.repository.canonicalid=3f1a
`;

describe('the target nimbus', () => {
  it('is a disk whose first partition nodes can write into', () => {
    const storage = {
      table: 'gpt',
      loader: 'systemd-boot',
      size_bytes: 2 ** 32,
      swap_bytes: 2 ** 30,
      boot: {filesystem: 'ext4', size_bytes: 2 ** 29},
    } as const;
    expect(pack({cmdline: 'quiet'}, image({storage}))).toEqual({
      kind: 'disk',
      firmware: 'bios',
      loader: 'grub',
      cmdline: 'console=tty0 console=hvc0 console=ttyS0,115200n8 quiet',
      storage: {table: 'mbr', sizeBytes: 2 ** 32, root: {filesystem: 'ext4'}, mounts: []},
      outputs: [{kind: 'image', fileName: 'disk.raw', format: 'raw'}],
    });
    expect(adapt({}, image({storage})).packages).toContain('grub-cloud-amd64');
    expect(boot()).toEqual([
      {kind: 'disk', name: 'bios', firmware: 'bios', platform: 'nimbus', memoryMiB: 1024},
    ]);
  });

  it('is a root file system where that is asked for, with the kernel beside it', () => {
    const options = {layout: 'partition', compress: 'gzip'};
    expect(pack(options)).toMatchObject({
      loader: 'none',
      storage: {table: 'none'},
      outputs: [
        {kind: 'image', fileName: 'root.raw.gz', format: 'raw', gzip: true},
        {kind: 'kernel', fileName: 'vmlinuz'},
        {kind: 'initrd', fileName: 'initrd.img'},
      ],
    });
    const {packages, files} = adapt(options);
    expect(packages.filter((name) => name.includes('grub'))).toEqual([]);
    expect(files.filter(({path}) => path.includes('grub'))).toEqual([]);
    expect(boot(options)).toMatchObject([{name: 'kernel', platform: 'nimbus', direct: true}]);
  });

  it("has fgimage's own agent, or cloud-init that lets root in", () => {
    const own = adapt();
    expect(own.packages).toContain('curl');
    expect(own.packages).not.toContain('cloud-init');
    expect(own.services.enable).toEqual(
      expect.arrayContaining(['fgimage-nimbus-context.service', 'fgimage-ssh-host-keys.service']),
    );
    const paths = own.files.map(({path, permissions}) => `${permissions} ${path}`);
    expect(paths).toContain('0755 /usr/local/lib/fgimage/nimbus-context');
    const other = adapt({agent: 'cloud-init'});
    expect(other.packages).toContain('cloud-init');
    const texts = other.files.filter(({path}) => path.startsWith('/etc/cloud/')).map(({content}) => content);
    expect(texts.join('\n')).toContain('datasource_list: [Ec2, NoCloud, None]');
    expect(texts.at(-1)).toContain('disable_root: false');
  });

  it.each<[JsonObject, string]>([
    [{layout: 'floppy'}, 'layout'],
    [{register: {bucket: 'a/b'}}, 'is not a part of a key'],
    [{register: {endpoint: 'cumulus:8888'}}, 'endpoint'],
    [{register: {cloud_properties: '../x\n'}}, 'cloud_properties'],
  ])('refuses what it cannot do: %j', (options, message) => {
    expect(JSON.stringify(schema.safeParse(options).error?.issues)).toContain(message);
  });
});

describe('readProperties()', () => {
  it("reads Java's format", () => {
    const read = readProperties(
      '# one\n ! two\na=1\nb : two words  \nc\td\\\n   e\npath\\=x=C:\\\\dir\nu=\\u00fc\nempty\n',
      'file',
    );
    expect([...read].map(([key, {value, at}]) => [key, value, at])).toEqual([
      ['a', '1', 'file:3'],
      ['b', 'two words', 'file:4'],
      ['c', 'de', 'file:5'],
      ['path=x', 'C:\\dir', 'file:7'],
      ['u', 'ü', 'file:8'],
      ['empty', '', 'file:9'],
    ]);
  });

  it('says where an escape is none', () => {
    expect(() => readProperties('a=1\nb=C:\\users\n', 'site.properties')).toThrow(
      expect.objectContaining({
        code: 'CREDENTIALS_MISSING',
        message: 'site.properties:2: \\u without four hexadecimal digits',
      }),
    );
  });
});

describe('repositoryOf()', () => {
  function repository(text: string, options: JsonObject = {}, env: NodeJS.ProcessEnv = {}) {
    using folder = new TemporaryFolder({'site.properties': text, '.nimbus/cloud.properties': text});
    const {register = {}} = schema.parse({register: {cloud_properties: 'site.properties', ...options}});
    return repositoryOf(register, {env: {HOME: folder.path, ...env}, projectDir: folder.path});
  }

  it("reads cloud-client's file", () => {
    expect(repository(properties)).toEqual({
      endpoint: new URL('http://cumulus.example.org:8888'),
      accessKeyId: 'ID',
      secretAccessKey: 'KEY',
      bucket: 'Repo',
      baseKey: 'VMS',
      owner: '3f1a',
      insecure: false,
    });
    const secure = 'vws.repository.s3https=true\nvws.repository.s3acceptallcerts=true\n';
    expect(repository(properties + secure)).toMatchObject({
      endpoint: new URL('https://cumulus.example.org:8888'),
      insecure: true,
    });
  });

  it('lets options and the environment say otherwise', () => {
    const options = {endpoint: 'https://other:1/', bucket: 'B', base_key: 'K', common: true};
    expect(repository(properties, options, {NIMBUS_S3_ID: 'I2', NIMBUS_S3_KEY: 'K2'})).toEqual({
      endpoint: new URL('https://other:1'),
      accessKeyId: 'I2',
      secretAccessKey: 'K2',
      bucket: 'B',
      baseKey: 'K',
      owner: 'common',
      insecure: false,
    });
  });

  it('looks into the home of the user where nothing is named', () => {
    using folder = new TemporaryFolder({'.nimbus/cloud.properties': properties});
    const found = repositoryOf({}, {env: {HOME: folder.path}, projectDir: '/nowhere'});
    expect(found.owner).toBe('3f1a');
  });

  it.each([
    [
      '',
      'Nimbus: vws.repository, vws.repository.s3id, vws.repository.s3key, vws.repository.canonicalid not found in site.properties',
    ],
    // As the site hands it out.
    [
      properties.replace('KEY', '______________'),
      'Nimbus: vws.repository.s3key not found in site.properties',
    ],
    [
      properties.replace('cumulus.example.org:8888', 'a b'),
      'site.properties:1: vws.repository: not host:port',
    ],
    [
      `${properties}vws.repository.type=gridftp\n`,
      'site.properties:5: vws.repository.type: a repository of type gridftp',
    ],
  ])('says what is wrong, and where: %j', (text, message) => {
    expect(() => repository(text)).toThrow(expect.objectContaining({message}));
  });

  it('says that a file that is named does not exist', () => {
    expect(() => repository(properties, {cloud_properties: 'other.properties'})).toThrow(
      expect.objectContaining({
        code: 'CREDENTIALS_MISSING',
        message: 'other.properties: the file does not exist',
      }),
    );
  });
});

describe('imagesOf()', () => {
  const place = {baseKey: 'VMS', owner: '3f1a'};
  const mark = {digest: 'd'.repeat(64), lineage: 'a b/web/nimbus', md5: '1'.repeat(32)};

  it('reads images and their marks out of one listing', () => {
    const objects = [
      {key: imageKey(place, 'web'), sizeBytes: 5, md5: mark.md5, modifiedAt: 20},
      {key: markKey(place, 'web', mark), sizeBytes: 1, modifiedAt: 10},
      {key: markKey(place, 'web', {...mark, digest: 'e'.repeat(64), md5: '2'.repeat(32)}), sizeBytes: 1},
      {key: markKey(place, 'db', mark), sizeBytes: 1},
      {key: imageKey(place, 'other'), sizeBytes: 7},
      {key: 'VMS/3f1a.fgimage/not-a-mark', sizeBytes: 1},
      {key: imageKey({...place, owner: '3f1ab'}, 'web'), sizeBytes: 1},
    ];
    const found = imagesOf(place, objects).map(({id, name, health, mark: own}) => ({id, name, health, own}));
    const own = {digest: mark.digest, lineage: mark.lineage};
    expect(found).toEqual([
      {id: 'VMS/3f1a/web', name: 'web', health: 'ready', own},
      {id: 'VMS/3f1a/db', name: 'db', health: 'pending', own},
      {id: 'VMS/3f1a/other', name: 'other', health: 'ready', own: undefined},
    ]);
  });
});
