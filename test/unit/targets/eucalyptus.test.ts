import {describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import {target} from '../../../targets/eucalyptus/index.ts';
import {schema} from '../../../targets/eucalyptus/schema.ts';
import {image} from '../../rig/images.ts';

const adapt = (options: JsonObject = {}) => target.adapt(image(), schema.parse(options));
const pack = (options: JsonObject = {}, spec = image()) => target.pack(spec, schema.parse(options));
const boot = (options: JsonObject = {}) => target.boot(image(), schema.parse(options));

describe('the target eucalyptus', () => {
  it('is a disk with a loader of its own, laid out as the spec says', () => {
    const storage = {loader: 'systemd-boot', swap_bytes: 2 ** 30} as const;
    expect(pack({size: '4GiB'}, image({storage}))).toMatchObject({
      firmware: 'bios',
      loader: 'grub',
      storage: {table: 'gpt', sizeBytes: 2 ** 32, swapBytes: 2 ** 30},
      outputs: [{kind: 'image', fileName: 'disk.raw', format: 'raw'}],
    });
    expect(boot({test: {memory: '2GiB'}})).toEqual([
      {kind: 'disk', name: 'bios', firmware: 'bios', platform: 'eucalyptus', memoryMiB: 2048},
    ]);
  });

  it('is a root file system with kernel and RAM disk for paravirtual machines', () => {
    const options = {virtualization: 'paravirtual'};
    expect(pack(options)).toMatchObject({
      loader: 'none',
      storage: {table: 'none'},
      outputs: [{fileName: 'root.raw'}, {kind: 'kernel'}, {kind: 'initrd'}],
    });
    expect(adapt(options).packages.filter((name) => name.includes('grub'))).toEqual([]);
    expect(boot(options)).toMatchObject([{name: 'kernel', direct: true}]);
  });

  it('takes its identity from a metadata service that is not Amazon’s', () => {
    const {files, packages} = adapt();
    expect(packages).toContain('cloud-init');
    const config = files.find(({path}) => path.endsWith('/90-fgimage.cfg'))?.content;
    expect(config).toContain('datasource_list: [Ec2, None]\n');
    expect(config).toContain('datasource:\n  Ec2:\n    strict_id: false\n');
  });

  it.each<[JsonObject, string]>([
    [{register: {}}, '"bucket"'],
    [{register: {bucket: 'Images'}}, 'is not the name of a bucket'],
    [{register: {bucket: 'images', kernel: 'aki-1'}}, 'is not the id of a kernel'],
    [{register: {bucket: 'images', kernel: 'eki-0123abcd', ramdisk: 'eri-0123abcd'}}, 'takes no kernel'],
    [
      {virtualization: 'paravirtual', register: {bucket: 'images', kernel: 'eki-0123abcd'}},
      'kernel and ramdisk belong together',
    ],
    [{register: {bucket: 'images', tags: {fgimage_digest: 'x'}}}, 'is not the name of a tag'],
    [{register: {bucket: 'images', description: 'x'.repeat(256)}}, '255'],
  ])('refuses what cannot be: %j', (options, message) => {
    expect(JSON.stringify(schema.safeParse(options).error?.issues)).toContain(message);
  });
});
