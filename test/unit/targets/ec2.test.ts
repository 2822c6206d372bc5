import {describe, expect, it} from 'vitest';
import {target} from '../../../targets/ec2/index.ts';
import {permissionText, wantedProperties} from '../../../targets/ec2/properties.ts';
import {schema} from '../../../targets/ec2/schema.ts';
import {image} from '../../rig/images.ts';

const options = schema.parse({});

describe('ec2', () => {
  it('says what an image needs to be at home in EC2', () => {
    const {files, packages} = target.adapt(image(), options);
    expect(packages).toEqual(expect.arrayContaining(['cloud-init', 'cloud-guest-utils', 'chrony']));
    const content = (path: string): string => files.find((file) => file.path === path)?.content ?? '';
    expect(content('/etc/cloud/cloud.cfg.d/90-fgimage.cfg')).toContain('datasource_list: [Ec2, None]\n');
    expect(content('/etc/chrony/sources.d/fgimage-ec2.sources')).toMatch(
      /^server 169\.254\.169\.123 prefer /m,
    );
    expect(content('/etc/default/grub.d/50-fgimage.cfg')).toContain(
      'GRUB_CMDLINE_LINUX="console=tty1 console=ttyS0,115200n8 nvme_core.io_timeout=4294967295"\n',
    );
  });

  it('packs one raw disk of whole GiB, and boots it from NVMe under both firmwares', () => {
    expect(target.pack(image(), options)).toMatchObject({
      kind: 'disk',
      firmware: 'both',
      storage: {multipleOfBytes: 2 ** 30},
      outputs: [{kind: 'image', format: 'raw', fileName: 'disk.raw'}],
    });
    expect(target.boot(image(), options)).toEqual([
      {kind: 'disk', name: 'bios', firmware: 'bios', platform: 'ec2', bus: 'nvme', memoryMiB: 1024},
      {kind: 'disk', name: 'uefi', firmware: 'uefi', platform: 'ec2', bus: 'nvme', memoryMiB: 1024},
    ]);
  });
});

describe('the options of ec2', () => {
  it('fills in what an AMI of today is', () => {
    expect(schema.parse({register: {}}).register).toEqual({
      method: 'ebs-direct',
      bucket_prefix: 'fgimage/',
      volume_type: 'gp3',
      imds: 'v2.0',
      share_snapshot: true,
    });
  });

  it.each<[object, string]>([
    [{region: 'Frankfurt'}, '"Frankfurt" is not a region of AWS'],
    [{name: 'web+db'}, "The name of an AMI has letters, digits and ()[] ./-'@_ only"],
    [{name: '{color}'}, '{color} stands for nothing in a name'],
    [{method: 'import-snapshot'}, 'Nothing says where the disk is uploaded to'],
    [{kms_key_id: 'arn:aws:kms:eu-central-1:111122223333:key/0a'}, 'A KMS key is for encrypted snapshots'],
    [
      {encrypted: true, launch_permissions: {groups: ['all']}},
      'An AMI with an encrypted snapshot cannot be public',
    ],
    [{launch_permissions: {users: ['12345']}}, '"12345" is not an AWS account'],
    [{volume_type: 'io2'}, 'A volume of the type io2 needs iops'],
    [{volume_type: 'gp2', iops: 3000}, 'A volume of the type gp2 has no iops to set'],
    [{volume_type: 'gp2', throughput: 200}, 'A volume of the type gp2 has no throughput to set'],
    [{region: 'us-east-1', regions: ['us-east-1']}, 'us-east-1 is where it is registered'],
    [{tags: {fgimage_digest: 'x'}}, '"fgimage_digest" is not the key of a tag'],
    [{tpm: true}, 'NitroTPM needs boot_mode: uefi'],
  ])('refuses %j', (register, told) => {
    const {error} = schema.safeParse({register});
    expect(JSON.stringify(error?.issues)).toContain(JSON.stringify(told).slice(1, -1));
  });

  it('refuses a boot mode that the disk does not boot in', () => {
    const {error} = schema.safeParse({firmware: 'bios', register: {boot_mode: 'uefi'}});
    expect(error?.issues.map(({message}) => message)).toEqual([
      'The disk does not boot as uefi with firmware: bios\nChange one of them',
    ]);
    expect(schema.safeParse({firmware: 'uefi', register: {tpm: true}}).success).toBe(true);
  });
});

describe('the properties of an AMI', () => {
  it('are what the options say, and nothing where they say nothing', () => {
    const parsed = schema.parse({
      firmware: 'bios',
      register: {
        imds: 'any',
        description: 'two\n  lines',
        tags: {Team: 'hpc'},
        encrypted: false,
        launch_permissions: {users: ['222233334444', '111122223333'], groups: ['all']},
      },
    });
    if (parsed.register === undefined) throw new Error('no register');
    expect(wantedProperties({image: image(), options: parsed, register: parsed.register})).toEqual({
      architecture: 'x86_64',
      'boot-mode': 'legacy-bios',
      description: 'two lines',
      'ena-support': 'true',
      encrypted: 'false',
      'launch-permissions': '111122223333 222233334444 all',
      'root-device-name': '/dev/xvda',
      'snapshot-permissions': '111122223333 222233334444',
      'tag:Team': 'hpc',
      'virtualization-type': 'hvm',
      'volume-type': 'gp3',
    });
  });

  it('have one text for the same permissions', () => {
    expect(permissionText([])).toBe('nobody');
    expect(permissionText([{UserId: '2'}, {Group: 'all'}, {UserId: '2'}])).toBe('2 all');
  });
});
