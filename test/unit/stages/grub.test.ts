import {describe, expect, it} from 'vitest';
import {
  biosBootCode,
  coreModules,
  espGrubConfig,
  type GrubPlace,
  grubConfig,
} from '../../../src/stages/pack/grub.ts';

const bootImage = Buffer.alloc(512, 0xaa);
const coreImage = Buffer.alloc(3 * 512 + 100, 0xbb);

const uuid = '11111111-2222-5333-8444-555555555555';
const inRoot: GrubPlace = {bootUuid: uuid, filesystem: 'ext4', folder: '/boot', table: 'gpt'};
const onItsOwn: GrubPlace = {
  bootUuid: '66666666-2222-5333-8444-555555555555',
  filesystem: 'btrfs',
  folder: '',
  table: 'mbr',
};

describe('biosBootCode()', () => {
  it('tells the boot sector where the core image lies and to use the drive of the BIOS', () => {
    const {bootCode} = biosBootCode({bootImage, coreImage, firstSector: 2048});
    expect(bootCode).toHaveLength(440);
    expect(bootCode.readBigUInt64LE(0x5c)).toBe(2048n);
    expect(bootCode.subarray(0x66, 0x68)).toEqual(Buffer.from([0x90, 0x90]));
    const rest = Buffer.from(bootCode);
    rest.fill(0xaa, 0x5c, 0x64).fill(0xaa, 0x66, 0x68);
    expect(rest.equals(bootImage.subarray(0, 440))).toBe(true);
  });

  it('tells the core image where its own rest lies, and fills its last sector up', () => {
    const {core} = biosBootCode({bootImage, coreImage, firstSector: 2048});
    expect(core).toHaveLength(4 * 512);
    expect(core.readBigUInt64LE(0x1f4)).toBe(2049n);
    expect(core.readUInt16LE(0x1fc)).toBe(3);
    // The segment where it is loaded is grub-mkimage's own choice.
    expect(core.readUInt16LE(0x1fe)).toBe(0xbbbb);
    expect(core.subarray(512, coreImage.length).equals(coreImage.subarray(512))).toBe(true);
    expect(core.subarray(coreImage.length).every((byte) => byte === 0)).toBe(true);
  });

  it('takes sectors beyond 32 bits', () => {
    const {bootCode, core} = biosBootCode({bootImage, coreImage, firstSector: 2 ** 33});
    expect(bootCode.readBigUInt64LE(0x5c)).toBe(2n ** 33n);
    expect(core.readBigUInt64LE(0x1f4)).toBe(2n ** 33n + 1n);
  });

  it('leaves the images that it was given as they are', () => {
    biosBootCode({bootImage, coreImage, firstSector: 2048});
    expect(bootImage.every((byte) => byte === 0xaa)).toBe(true);
    expect(coreImage.every((byte) => byte === 0xbb)).toBe(true);
  });
});

describe('grubConfig()', () => {
  it('gives an entry for each kernel, the first one under the plain title', () => {
    expect(
      grubConfig({
        ...inRoot,
        rootUuid: '11111111-2222-5333-8444-555555555555',
        cmdline: 'console=tty0 quiet',
        kernels: ['6.1.0-30-amd64', '6.1.0-29-amd64'],
        title: 'Debian GNU/Linux',
        menuClass: 'debian',
        serial: true,
      }),
    ).toMatchInlineSnapshot(`
      "# Written by fgimage. update-grub replaces it from /etc/default/grub and /etc/default/grub.d.
      set default=0
      set timeout=1
      serial --unit=0 --speed=115200
      terminal_input console serial
      terminal_output console serial
      insmod part_gpt
      insmod ext2
      search --no-floppy --fs-uuid --set=root 11111111-2222-5333-8444-555555555555
      menuentry 'Debian GNU/Linux' --class debian --class gnu-linux {
      	linux /boot/vmlinuz-6.1.0-30-amd64 root=UUID=11111111-2222-5333-8444-555555555555 ro console=tty0 quiet
      	initrd /boot/initrd.img-6.1.0-30-amd64
      }
      menuentry 'Debian GNU/Linux, Linux 6.1.0-29-amd64' --class debian --class gnu-linux {
      	linux /boot/vmlinuz-6.1.0-29-amd64 root=UUID=11111111-2222-5333-8444-555555555555 ro console=tty0 quiet
      	initrd /boot/initrd.img-6.1.0-29-amd64
      }
      "
    `);
  });
});

describe('grubConfig() of a machine whose console is the firmware', () => {
  it('names no serial port, and has the entries of its distribution', () => {
    const config = grubConfig({
      ...inRoot,
      rootUuid: uuid,
      cmdline: 'quiet',
      kernels: ['6.8.0-60-generic'],
      title: 'Ubuntu',
      menuClass: 'ubuntu',
      serial: false,
    });
    expect(config.split('\n').slice(1, 7)).toEqual([
      'set default=0',
      'set timeout=1',
      'insmod part_gpt',
      'insmod ext2',
      `search --no-floppy --fs-uuid --set=root ${uuid}`,
      "menuentry 'Ubuntu' --class ubuntu --class gnu-linux {",
    ]);
  });
});

describe('grubConfig() of a /boot of its own', () => {
  it('finds the kernels there, and has them mount the root', () => {
    const config = grubConfig({
      ...onItsOwn,
      rootUuid: uuid,
      cmdline: 'quiet',
      kernels: ['6.1'],
      title: 'Debian',
      menuClass: 'debian',
      serial: true,
    });
    expect(config.split('\n').slice(6)).toEqual([
      'insmod part_msdos',
      'insmod btrfs',
      'search --no-floppy --fs-uuid --set=root 66666666-2222-5333-8444-555555555555',
      "menuentry 'Debian' --class debian --class gnu-linux {",
      '\tlinux /vmlinuz-6.1 root=UUID=11111111-2222-5333-8444-555555555555 ro quiet',
      '\tinitrd /initrd.img-6.1',
      '}',
      '',
    ]);
  });
});

describe('coreModules()', () => {
  it.each([
    [inRoot, ['biosdisk', 'part_gpt', 'ext2']],
    [onItsOwn, ['biosdisk', 'part_msdos', 'btrfs']],
  ])('reads table and file system of %j', (place, modules) => {
    expect(coreModules(place).slice(0, 3)).toEqual(modules);
  });
});

describe('espGrubConfig()', () => {
  it('leads to the configuration in the root file system', () => {
    expect(espGrubConfig(inRoot)).toMatchInlineSnapshot(`
      "search.fs_uuid 11111111-2222-5333-8444-555555555555 root
      set prefix=($root)/boot/grub
      configfile $prefix/grub.cfg
      "
    `);
  });
});
