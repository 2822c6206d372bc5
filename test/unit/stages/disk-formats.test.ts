import {execFileSync} from 'node:child_process';
import {readFileSync, truncateSync, writeFileSync} from 'node:fs';
import {open} from 'node:fs/promises';
import {describe, expect, it} from 'vitest';
import {nameHash as btrfsHash} from '../../../src/stages/pack/btrfs/files.ts';
import {crc32c, invertedCrc32c} from '../../../src/stages/pack/crc32c.ts';
import {
  dataStretches,
  plainHeader,
  sparseHeader,
  writeDiskArchive,
} from '../../../src/stages/pack/disk-archive.ts';
import {settleHeader} from '../../../src/stages/pack/disk-headers.ts';
import {fillTemplate, namedFiles} from '../../../src/stages/pack/disk-text.ts';
import {swapHeader} from '../../../src/stages/pack/swap.ts';
import {placeSections} from '../../../src/stages/pack/uki.ts';
import {nameHash as xfsHash} from '../../../src/stages/pack/xfs/folders.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const uuid = '01234567-89ab-5def-8123-456789abcdef';
const uuidHex = uuid.replaceAll('-', '');

describe('crc32c()', () => {
  it.each([
    // RFC 3720, appendix B.4.
    ['32 zeros', Buffer.alloc(32), 0x8a91_36aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8_ab43],
    ['32 counted up', Buffer.from(Array.from({length: 32}, (_, index) => index)), 0x46dd_794e],
    ['nine digits', Buffer.from('123456789'), 0xe306_9283],
  ])('gives the known sum of %s', (_, data, expected) => {
    expect(invertedCrc32c(data)).toBe(expected);
  });

  it('goes on where it ended', () => {
    const data = Buffer.from('some bytes, which are no multiple of eight');
    expect(crc32c(crc32c(7, data.subarray(0, 13)), data.subarray(13))).toBe(crc32c(7, data));
  });
});

describe('hashes of names', () => {
  it('are those of btrfs', () => {
    expect(btrfsHash(Buffer.from('default'))).toBe(0x8dbf_c2d2);
  });

  it.each([
    ['.', 0x2e],
    ['..', 0x172e],
    ['ping', 0x0e1a_7767],
    ['a b', 0x0018_5062],
  ])('are those that xfs_db shows: %j', (name, hash) => {
    expect(xfsHash(Buffer.from(name))).toBe(hash);
  });
});

describe('settleHeader()', () => {
  it('gives a VMDK an id that follows from what is packed', () => {
    using folder = new TemporaryFolder();
    const file = folder.join('disk.vmdk');
    const disk = Buffer.alloc(4096);
    disk.write('KDMV', 0);
    disk.writeBigUInt64LE(1n, 28);
    disk.writeBigUInt64LE(2n, 36);
    disk.write('# Disk DescriptorFile\nversion=1\nCID=a3\nparentCID=ffffffff\n', 512);
    writeFileSync(file, disk);
    settleHeader(file, 'vmdk', {uuid, epoch: 0});
    expect(readFileSync(file).toString('latin1', 512, 1536).replace(/\0+$/, '')).toBe(
      '# Disk DescriptorFile\nversion=1\nCID=123458\nparentCID=ffffffff\n',
    );
  });

  it('gives the footer of a VHD a time, an id and the sum that goes with them', () => {
    using folder = new TemporaryFolder();
    const file = folder.join('disk.vhd');
    const footer = Buffer.alloc(512, 0);
    footer.write('conectix', 0);
    footer.fill(0xaa, 24, 28).fill(0xbb, 64, 84);
    writeFileSync(file, Buffer.concat([Buffer.alloc(1024, 1), footer]));
    settleHeader(file, 'vhd', {uuid, epoch: 946_684_800 + 0x01020304});
    const settled = readFileSync(file).subarray(1024);
    expect(settled.toString('hex', 24, 28)).toBe('01020304');
    expect(settled.toString('hex', 68, 84)).toBe(uuidHex);
    const sum = [...settled].reduce((all, byte, at) => all + (at >= 64 && at < 68 ? 0 : byte), 0);
    expect(settled.readUInt32BE(64)).toBe(~sum >>> 0);
    expect(readFileSync(file).subarray(0, 1024).equals(Buffer.alloc(1024, 1))).toBe(true);
  });

  it('gives a VDI its ids', () => {
    using folder = new TemporaryFolder();
    const file = folder.join('disk.vdi');
    const disk = Buffer.alloc(1024);
    disk.writeUInt32LE(0xbeda_107f, 0x40);
    writeFileSync(file, disk);
    settleHeader(file, 'vdi', {uuid, epoch: 0});
    expect(readFileSync(file).toString('hex', 0x188, 0x1a8)).toBe(uuidHex + uuidHex);
  });

  it.each(['vmdk', 'vhd', 'vdi'] as const)('takes nothing else for a %s', (format) => {
    using folder = new TemporaryFolder({disk: 'x'.repeat(2048)});
    expect(() => settleHeader(folder.join('disk'), format, {uuid, epoch: 0})).toThrow(/^The disk is no /);
  });
});

describe('fillTemplate()', () => {
  const facts = {
    virtualSizeBytes: 2 ** 30 + 1,
    size: (name: string) => name.length,
    sha256: (name: string) => `sum of ${name}`,
    uuid: (word: string) => `id of ${word}`,
  };

  it('fills in what a text says of the disk and of other files', () => {
    const template =
      '{{virtual-size-bytes}} {{virtual-size-gib}} {{size:a.b}} {{sha256:c d}} {{uuid:vm}} {{ }} {x}';
    expect(namedFiles(template)).toEqual(['a.b', 'c d']);
    expect(fillTemplate(template, facts)).toBe('1073741825 2 3 sum of c d id of vm {{ }} {x}');
  });

  it.each(['{{size}}', '{{virtual-size-gib:x}}', '{{colour:x}}'])('knows no %s', (template) => {
    expect(() => fillTemplate(template, facts)).toThrow(`unknown placeholder ${template}`);
  });
});

describe('writeDiskArchive()', () => {
  it('leaves out the holes of a disk, which tar puts back', async () => {
    using folder = new TemporaryFolder({'first.txt': 'text\n', disk: ''});
    const disk = Buffer.alloc(1_000_000);
    // More stretches than a header has room for, and than one block behind it.
    for (let index = 0; index < 30; index += 1) disk.write(`part ${String(index)}`, index * 32_768 + 5000);
    writeFileSync(folder.join('disk'), disk);
    await writeDiskArchive({
      path: folder.join('out.tar'),
      format: 'oldgnu',
      epoch: 1_600_000_000,
      members: ['first.txt', 'disk'].map((name) => ({name, file: folder.join(name)})),
    });
    const archive = readFileSync(folder.join('out.tar'));
    expect(archive.length % 10_240).toBe(0);
    expect(archive.length).toBeLessThan(disk.length / 4);
    const out = folder.join('out');
    execFileSync('sh', ['-c', 'mkdir "$0" && tar -C "$0" -xf "$1"', out, folder.join('out.tar')]);
    expect(readFileSync(folder.join('out/disk')).equals(disk)).toBe(true);
    expect(readFileSync(folder.join('out/first.txt'), 'utf8')).toBe('text\n');
  });

  it('finds data by its content, whatever lies on the disk of the host', async () => {
    using folder = new TemporaryFolder({zeros: '\0'.repeat(16_384), holes: ''});
    truncateSync(folder.join('holes'), 16_384);
    for (const name of ['zeros', 'holes']) {
      const file = await open(folder.join(name));
      expect(await dataStretches(file, 16_384)).toEqual([]);
      await file.close();
    }
  });
});

describe('headers of archives', () => {
  const fields = {name: 'disk.raw', size: 1024, epoch: 0o1234};

  it('say who owns a member, when it was made and how large it is', () => {
    const header = plainHeader({...fields, format: 'ustar'});
    const text = (from: number, to: number): string => header.toString('latin1', from, to);
    expect([text(0, 9), text(100, 124), text(124, 148), text(156, 157), text(257, 265)]).toEqual([
      'disk.raw\0',
      '0000644\u00000000000\u00000000000\0',
      '00000002000\u000000000001234\0',
      '0',
      'ustar\u000000',
    ]);
    const sum = [...header].reduce((all, byte, at) => all + (at >= 148 && at < 156 ? 0x20 : byte), 0);
    expect(Number.parseInt(text(148, 154), 8)).toBe(sum);
  });

  it('count beyond 8 GiB', () => {
    const header = plainHeader({...fields, size: 2 ** 35, format: 'ustar'});
    expect(header.toString('hex', 124, 136)).toBe('800000000000000800000000');
  });

  it('end the map of a sparse file at its size', () => {
    const header = sparseHeader({...fields, size: 1 << 20, stretches: [{at: 4096, length: 512}]});
    expect(header.toString('latin1', 386, 386 + 48)).toBe(
      '00000010000\u000000000001000\u000000004000000\u000000000000000\0',
    );
    expect([header[156], header[482], header.toString('latin1', 483, 494)]).toEqual([
      'S'.charCodeAt(0),
      0,
      '00004000000',
    ]);
  });

  it('take no name that they have no room for', () => {
    expect(() => plainHeader({...fields, name: 'x'.repeat(101), format: 'ustar'})).toThrow(
      'too long for tar',
    );
  });
});

describe('swapHeader()', () => {
  it('is what swaplabel reads', () => {
    using folder = new TemporaryFolder();
    const page = swapHeader({sizeBytes: 8 << 20, uuid});
    writeFileSync(folder.join('swap'), Buffer.concat([page, Buffer.alloc((8 << 20) - page.length)]));
    const read = execFileSync('/usr/sbin/swaplabel', [folder.join('swap')], {encoding: 'utf8'});
    expect(read.replaceAll(/ +/g, ' ')).toBe(`LABEL: swap\nUUID: ${uuid}\n`);
  });
});

describe('placeSections()', () => {
  /** A stub with one section, whose headers have no room for another. */
  const stub = Buffer.alloc(0x600);
  stub.writeUInt32LE(0x80, 0x3c);
  stub.write('PE\0\0', 0x80);
  stub.writeUInt16LE(1, 0x86);
  stub.writeUInt16LE(0x118, 0x94);
  const optional = 0x98;
  stub.writeUInt32LE(0x200, optional + 32);
  stub.writeUInt32LE(0x200, optional + 36);
  stub.writeUInt32LE(0x200, optional + 60);
  const table = optional + 0x118;
  stub.write('.text', table);
  stub.writeUInt32LE(0x350, table + 8);
  stub.writeUInt32LE(0x4000, table + 12);
  stub.writeUInt32LE(0x400, table + 16);
  stub.writeUInt32LE(0x200, table + 20);

  it('moves what the headers need room for, and places each section behind the last', () => {
    const {head, body, offsets} = placeSections(stub, [
      {name: '.cmdline', size: 5},
      {name: '.linux', size: 0x1001},
    ]);
    const field = (index: number, at: number): number => head.readUInt32LE(table + index * 40 + at);
    expect(head.readUInt16LE(0x86)).toBe(3);
    expect([head.length, head.readUInt32LE(optional + 60), field(0, 20)]).toEqual([0x400, 0x400, 0x400]);
    expect(body.equals(stub.subarray(0x200))).toBe(true);
    expect(offsets).toEqual([0x800, 0xa00]);
    expect([field(1, 12), field(1, 8), field(1, 16), field(1, 20)]).toEqual([0x5000, 5, 0x200, 0x800]);
    expect([field(2, 12), field(2, 8), field(2, 16), field(2, 20)]).toEqual([0x6000, 0x1001, 0x1200, 0xa00]);
    expect(head.readUInt32LE(optional + 56)).toBe(0x8000);
  });

  it('takes nothing that is no PE file', () => {
    expect(() => placeSections(Buffer.alloc(512), [])).toThrow('The stub of systemd-boot is no PE file');
  });
});
