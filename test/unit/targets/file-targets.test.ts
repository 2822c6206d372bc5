import {describe, expect, it} from 'vitest';
import type {Image, JsonObject} from '../../../src/spec/image.ts';
import type {DiskPackPlan, TargetFile} from '../../../targets/contract.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {targetSchemas} from '../../../targets/schemas.ts';
import {image} from '../../rig/images.ts';
import {readXml} from '../../rig/xml.ts';

async function planned(type: string, options: JsonObject = {}, of: Image = image()) {
  const schema = await targetSchemas[type]?.();
  const read = schema?.parse(options) ?? {};
  const target = targetOfType(type);
  return {
    adapt: target.adapt(of, read),
    pack: target.pack(of, read) as DiskPackPlan,
    boots: target.boot(of, read),
  };
}

const content = (files: readonly TargetFile[], end: string): string =>
  files.find(({path}) => path.endsWith(end))?.content ?? '';

describe('azure', () => {
  it('is a fixed VHD of whole mebibytes for the second generation', async () => {
    const {pack, boots} = await planned('azure');
    expect(pack).toMatchObject({
      firmware: 'uefi',
      storage: {multipleOfBytes: 2 ** 20},
      outputs: [{kind: 'image', format: 'vhd', fileName: 'disk.vhd'}],
    });
    expect(pack.cmdline).toMatch(/console=ttyS0.* earlyprintk=ttyS0 rootdelay=300 net\.ifnames=0$/);
    expect(boots).toEqual([
      {kind: 'disk', name: 'uefi', firmware: 'uefi', platform: 'azure', bus: 'scsi', memoryMiB: 1024},
    ]);
  });

  it('starts by BIOS in the first generation', async () => {
    const {pack, boots} = await planned('azure', {generation: 1});
    expect([pack.firmware, boots.map(({name}) => name)]).toEqual(['bios', ['bios']]);
  });

  it("asks Azure for the instance, and has Hyper-V's drivers in the RAM disk", async () => {
    const {adapt} = await planned('azure');
    expect(content(adapt.files, '90-fgimage.cfg')).toContain('datasource_list: [Azure, None]');
    expect(content(adapt.initramfsFiles, 'hooks/fgimage-azure')).toMatch(/hv_vmbus hv_storvsc hv_netvsc/);
    expect(adapt.packages).not.toContain('waagent');
  });

  it("has Azure's own agent where it is asked for, which leaves provisioning to cloud-init", async () => {
    const {adapt} = await planned('azure', {waagent: true});
    expect(adapt.packages).toContain('waagent');
    expect(adapt.services.enable).toContain('walinuxagent.service');
    expect(content(adapt.files, '/etc/waagent.conf')).toContain('Provisioning.Agent=cloud-init');
  });

  it.each<[JsonObject, string]>([
    [{size: '1024GiB'}, 'Azure starts from no disk of 1024GiB'],
    [{size: '2TiB'}, 'Azure starts from no disk of 2TiB'],
    [{generation: 3}, 'Invalid input'],
  ])('refuses what Azure does not start from: %j', async (options, message) => {
    const schema = await targetSchemas['azure']?.();
    const read = schema?.safeParse(options);
    expect(read?.error?.issues.map((issue) => issue.message).join()).toContain(message);
    expect(schema?.safeParse({size: '1023GiB'}).success).toBe(true);
  });
});

describe('gcp', () => {
  it('is disk.raw alone in an archive of the old GNU format, whole gibibytes', async () => {
    const {pack, boots} = await planned('gcp');
    expect(pack).toMatchObject({
      firmware: 'both',
      storage: {multipleOfBytes: 2 ** 30},
      outputs: [
        {
          kind: 'archive',
          fileName: 'disk.tar.gz',
          format: 'oldgnu',
          gzip: true,
          members: [{kind: 'image', format: 'raw', fileName: 'disk.raw'}],
        },
      ],
    });
    expect(boots.map(({name}) => name)).toEqual(['bios', 'uefi']);
  });

  it("asks Google for the instance and the time, and has Google's devices in the RAM disk", async () => {
    const {adapt} = await planned('gcp');
    expect(content(adapt.files, '90-fgimage.cfg')).toContain('datasource_list: [GCE, None]');
    expect(content(adapt.files, '/etc/chrony/chrony.conf')).toMatch(/^server metadata\.google\.internal /m);
    expect(content(adapt.files, '/etc/chrony/chrony.conf')).not.toMatch(/^pool /m);
    expect(content(adapt.initramfsFiles, 'hooks/fgimage-gcp')).toMatch(/virtio_scsi .*nvme gve/);
  });
});

describe('libvirt', () => {
  interface DomainXml {
    readonly domain: {
      readonly '@type': string;
      readonly name: string;
      readonly uuid: string;
      readonly memory: {readonly '#text': number};
      readonly vcpu: number;
      readonly os: Record<string, string>;
      readonly devices: {readonly disk: {readonly source: Record<string, string>}};
    };
  }

  async function domain(options: JsonObject = {}) {
    const {pack} = await planned('libvirt', options);
    const text = pack.outputs.find((output) => output.kind === 'text')?.template ?? '';
    return (readXml(text) as DomainXml).domain;
  }

  it('is a disk, and a domain with a UUID derived from it', async () => {
    const {pack} = await planned('libvirt');
    expect(pack.outputs.map(({fileName}) => fileName)).toEqual(['disk.qcow2', 'domain.xml']);
    expect(await domain()).toMatchObject({
      '@type': 'kvm',
      name: 'web',
      uuid: '{{uuid:domain}}',
      memory: {'#text': 2048},
      vcpu: 2,
      devices: {disk: {source: {'@file': '/var/lib/libvirt/images/web.qcow2'}}},
    });
  });

  it('has the machine that the options say', async () => {
    const told = {name: 'db-1', type: 'qemu', cpus: 4, memory: '512MiB', network: 'lab'};
    const xml = await domain({format: 'raw', firmware: 'uefi', domain: told});
    expect(xml).toMatchObject({
      '@type': 'qemu',
      name: 'db-1',
      memory: {'#text': 512},
      vcpu: 4,
      os: {'@firmware': 'efi'},
      devices: {disk: {source: {'@file': '/var/lib/libvirt/images/db-1.raw'}}},
    });
  });

  it("has QEMU's guest agent, and takes its identity from a seed disk", async () => {
    const {adapt, boots} = await planned('libvirt');
    expect(adapt.packages).toContain('qemu-guest-agent');
    expect(content(adapt.files, '90-fgimage.cfg')).toContain('datasource_list: [NoCloud, None]');
    expect(boots.map((boot) => (boot.kind === 'disk' ? boot.platform : boot.kind))).toEqual([
      'nocloud',
      'nocloud',
    ]);
  });
});

describe('vagrant', () => {
  it('is a box of the libvirt provider', async () => {
    const {pack} = await planned('vagrant', {cpus: 1, memory: '1GiB', driver: 'qemu'});
    const [box] = pack.outputs;
    if (box?.kind !== 'archive') throw new Error('The box is no archive');
    expect(box).toMatchObject({fileName: 'disk.box', format: 'ustar', gzip: true});
    expect(box.members.map(({fileName}) => fileName)).toEqual(['metadata.json', 'Vagrantfile', 'box.img']);
    const [metadata, vagrantfile] = box.members.map((member) =>
      member.kind === 'text' ? member.template : '',
    );
    expect(JSON.parse((metadata ?? '').replace('{{virtual-size-gib}}', '3'))).toEqual({
      provider: 'libvirt',
      format: 'qcow2',
      virtual_size: 3,
    });
    expect(vagrantfile).toContain('libvirt.driver = "qemu"');
    expect(vagrantfile).toContain('libvirt.memory = 1024');
  });

  it("has the user vagrant with sudo, and with Vagrant's own keys unless they are not wanted", async () => {
    const {adapt} = await planned('vagrant');
    expect(content(adapt.files, '/etc/sudoers.d/50-fgimage-vagrant')).toContain(
      'vagrant ALL=(ALL) NOPASSWD:ALL\n',
    );
    expect(content(adapt.files, '90-fgimage.cfg')).toMatch(
      /- name: vagrant[\s\S]*vagrant insecure public key/,
    );
    const closed = await planned('vagrant', {insecure_key: false});
    expect(content(closed.adapt.files, '90-fgimage.cfg')).toMatch(/- name: vagrant/);
    expect(content(closed.adapt.files, '90-fgimage.cfg')).not.toContain('ssh-');
  });

  it('leaves a user vagrant of the image as it is', async () => {
    const vagrant = {
      name: 'vagrant',
      groups: [],
      sudo: [],
      ssh_authorized_keys: [],
      lock_passwd: true,
      system: false,
    };
    const {adapt} = await planned('vagrant', {}, image({users: [vagrant]}));
    expect(content(adapt.files, '90-fgimage.cfg')).toMatch(/^users: \[\]$/m);
    expect(content(adapt.files, '90-fgimage.cfg')).not.toContain('insecure');
  });
});
