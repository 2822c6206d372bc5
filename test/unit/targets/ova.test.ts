import {describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/spec/image.ts';
import type {DiskPackPlan} from '../../../targets/contract.ts';
import {target} from '../../../targets/ova/index.ts';
import {schema} from '../../../targets/ova/schema.ts';
import {image} from '../../rig/images.ts';
import {readXml} from '../../rig/xml.ts';

const described = image({description: 'A <small> & "quoted" server {{size:x}}'});

function archive(options: JsonObject = {}) {
  const {outputs} = target.pack(described, schema.parse(options)) as DiskPackPlan;
  const [output] = outputs;
  if (output?.kind !== 'archive') throw new Error('The first output is no archive');
  return output;
}

function descriptor(options: JsonObject = {}): string {
  const [member] = archive(options).members;
  return member?.kind === 'text' ? member.template : '';
}

/** The descriptor as a reader of XML sees it, without namespaces' prefixes. */
function read(options: JsonObject = {}) {
  const text = descriptor(options).replaceAll(/\{\{[^}]+\}\}/g, '7');
  const {Envelope} = readXml(text, {lists: ['Item', 'Property']}) as {readonly Envelope: Envelope};
  return Envelope;
}

interface Envelope {
  readonly '@version': string;
  readonly References: {readonly File: Record<string, string>};
  readonly DiskSection: {readonly Disk: Record<string, string>};
  readonly NetworkSection: {readonly Network: Record<string, string>};
  readonly VirtualSystem: {
    readonly AnnotationSection: {readonly Annotation: string};
    readonly OperatingSystemSection: Record<string, string>;
    readonly ProductSection: {readonly Property: readonly Record<string, string>[]; readonly Vendor?: string};
    readonly VirtualHardwareSection: Record<string, unknown> & {
      readonly Item: readonly Record<string, string | number>[];
    };
  };
}

describe('pack()', () => {
  it('gives a ustar archive with the descriptor first and the manifest of the others', () => {
    const {format, fileName, gzip, members} = archive();
    expect({format, fileName, gzip}).toEqual({format: 'ustar', fileName: 'web.ova', gzip: undefined});
    expect(members.map((member) => member.fileName)).toEqual(['web.ovf', 'web.mf', 'web-disk1.vmdk']);
    expect(members[1]).toMatchObject({
      template: 'SHA256(web.ovf)= {{sha256:web.ovf}}\nSHA256(web-disk1.vmdk)= {{sha256:web-disk1.vmdk}}\n',
    });
    expect(members[2]).toEqual({kind: 'image', fileName: 'web-disk1.vmdk', format: 'vmdk'});
  });

  it('has the disk, the network, the system and what cloud-init asks for in the descriptor', () => {
    const {References, DiskSection, NetworkSection, VirtualSystem} = read();
    expect(References.File).toEqual({'@href': 'web-disk1.vmdk', '@id': 'file1', '@size': '7'});
    expect(DiskSection.Disk).toMatchObject({
      '@capacity': '7',
      '@fileRef': 'file1',
      '@format': expect.stringContaining('#streamOptimized') as string,
    });
    expect(NetworkSection.Network['@name']).toBe('VM Network');
    expect(VirtualSystem.OperatingSystemSection).toMatchObject({'@id': '96', '@osType': 'debian12_64Guest'});
    expect(VirtualSystem.ProductSection.Property.map((one) => one['@key'])).toEqual([
      'instance-id',
      'hostname',
      'public-keys',
      'user-data',
      'network-config',
    ]);
    expect(VirtualSystem.VirtualHardwareSection['@transport']).toBe('com.vmware.guestInfo iso');
    expect(VirtualSystem.AnnotationSection.Annotation).toBe('A <small> & "quoted" server {{size:x}}');
  });

  it('lets the pack stage fill in nothing that a description says', () => {
    expect(descriptor().match(/\{\{[^}]+\}\}/g)).toEqual([
      '{{size:web-disk1.vmdk}}',
      '{{virtual-size-bytes}}',
    ]);
  });

  it('has elements of their own types for disks and network cards in OVF 2.0, and none in 1.0', () => {
    const [newer, older] = [descriptor(), descriptor({ovf_version: '1.0'})];
    expect(newer).toContain('xmlns="http://schemas.dmtf.org/ovf/envelope/2"');
    expect(older).toContain('xmlns="http://schemas.dmtf.org/ovf/envelope/1"');
    const order = [...newer.matchAll(/<(Item|EthernetPortItem|StorageItem)\b/g)].map(([, name]) => name);
    expect(order).toEqual(['Item', 'Item', 'Item', 'Item', 'EthernetPortItem', 'StorageItem', 'StorageItem']);
    expect(older).not.toMatch(/StorageItem|EthernetPortItem|sasd|epasd/);
    const {Item} = read({ovf_version: '1.0'}).VirtualSystem.VirtualHardwareSection;
    expect(Item.map(({ResourceType}) => ResourceType)).toEqual([3, 4, 6, 5, 17, 15, 10]);
    expect(Item.find(({ResourceType}) => ResourceType === 17)).toMatchObject({
      HostResource: 'ovf:/disk/vmdisk1',
      Parent: 3,
    });
  });

  it('gives the fields in the order of the CIM schemas', () => {
    for (const version of ['2.0', '1.0']) {
      const items = descriptor({ovf_version: version}).match(/<(\w*Item)\b[\s\S]*?<\/\1>/g) ?? [];
      expect(items.length).toBe(7);
      for (const item of items) {
        const fields = [...item.matchAll(/<\w+:(\w+)>/g)].map(([, name = '']) => name);
        expect(fields).toEqual(fields.toSorted());
        expect(fields).toEqual(expect.arrayContaining(['ElementName', 'InstanceID', 'ResourceType']));
      }
    }
  });

  it('has the machine that the options say', () => {
    const {VirtualSystem, NetworkSection} = read({
      cpus: 8,
      memory: '16GiB',
      hardware_version: 20,
      firmware: 'uefi',
      guest_id: 'debian11_64Guest',
      network: 'Lab & Co',
      network_adapter: 'E1000',
      vendor: 'Example',
    });
    const {Item, System, EthernetPortItem, Config} = VirtualSystem.VirtualHardwareSection;
    expect(Item[0]).toMatchObject({ResourceType: 3, VirtualQuantity: 8});
    expect(Item[1]).toMatchObject({
      ResourceType: 4,
      VirtualQuantity: 16_384,
      AllocationUnits: 'byte * 2^20',
    });
    expect(System).toMatchObject({VirtualSystemType: 'vmx-20'});
    expect(EthernetPortItem).toMatchObject({Connection: 'Lab & Co', ResourceSubType: 'E1000'});
    expect(NetworkSection.Network['@name']).toBe('Lab & Co');
    expect(Config).toEqual({'@required': 'false', '@key': 'firmware', '@value': 'efi'});
    expect(VirtualSystem.ProductSection.Vendor).toBe('Example');
  });

  it('says nothing of a firmware where both will do', () => {
    expect(descriptor()).not.toContain('vmw:Config');
  });
});

describe('adapt()', () => {
  const bullseye = image({os: {distribution: 'debian', release: 'bullseye', architecture: 'amd64'}});

  it('brings open-vm-tools, and data sources that the cloud-init of the release has', () => {
    const plan = target.adapt(image(), schema.parse({}));
    expect(plan.packages).toEqual(expect.arrayContaining(['open-vm-tools', 'cloud-init']));
    expect(plan.services.enable).toContain('open-vm-tools.service');
    const config = (one: typeof plan): string =>
      one.files.find(({path}) => path.endsWith('90-fgimage.cfg'))?.content ?? '';
    expect(config(plan)).toContain('datasource_list: [VMware, OVF, NoCloud, None]');
    expect(config(target.adapt(bullseye, schema.parse({})))).toContain(
      'datasource_list: [OVF, NoCloud, None]',
    );
  });

  it('has the drivers of the hypervisors in its RAM disk, and in the next ones', () => {
    const {files, initramfsFiles} = target.adapt(image(), schema.parse({}));
    expect(initramfsFiles).toHaveLength(1);
    expect(files).toContainEqual(initramfsFiles[0]);
    expect(initramfsFiles[0]?.permissions).toBe('0755');
    expect(initramfsFiles[0]?.content).toMatch(/^manual_add_modules .*vmw_pvscsi vmxnet3/m);
  });
});
