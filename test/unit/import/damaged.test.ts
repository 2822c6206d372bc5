import {execFileSync} from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {crc32} from 'node:zlib';
import {afterAll, describe, expect, it} from 'vitest';
import {readDisk} from '../../../src/stages/import/disk.ts';
import {ImportError} from '../../../src/stages/import/entry.ts';
import {readExt4} from '../../../src/stages/import/ext4-reader.ts';
import {TreeWriter} from '../../../src/stages/import/tree-writer.ts';
import {importBase} from '../../integration/import-forms.ts';
import {below, chance, checksum, type Member, osRelease, places, tarOf} from './archives.ts';

const {project, outside} = places();

afterAll(() => {
  rmSync(dirname(project), {recursive: true});
});

/** Each is tried this often, with another bit or byte that is wrong. */
const tries = 60;
const timeout = 60_000;

describe('what is damaged', () => {
  it.each(['ext4', 'ext2'])('is read or refused, and ends: %s', {timeout}, async (kind) => {
    const disk = makeDisk(`${kind}.raw`, kind);
    const sound = readFileSync(disk);
    const written = places16(sound);
    const random = chance(1);
    const outcomes = {read: 0, refused: 0};
    for (let count = 0; count < tries; count += 1) {
      const wrong = Buffer.from(sound);
      const at = (written[Math.floor(random() * written.length)] ?? 0) + Math.floor(random() * 16);
      wrong.writeUInt8(wrong.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
      writeFileSync(disk, wrong);
      outcomes[await unpack(disk)] += 1;
    }
    // What a bit is for hangs on times and identifiers too, which are others each time.
    expect(outcomes.read + outcomes.refused).toBe(tries);
    expect(below(outside)).toEqual(['hostname', 'inner', 'inner/file']);
  });

  it('is read or refused, and ends: tar', {timeout}, async () => {
    const members: readonly Member[] = [
      osRelease,
      {name: 'usr/', type: '5', mtime: 1_000},
      {name: 'usr/tool', content: 'x'.repeat(600), pax: {mtime: '12.5', path: 'usr/longer', size: '600'}},
      {name: 'usr/link', type: '2', link: '../etc'},
      {name: 'usr/same', type: '1', link: 'usr/longer'},
      {name: 'name', type: 'L', content: 'usr/a-long-name\0'},
      {name: 'short', content: 'y'},
    ];
    const sound = tarOf(members);
    const random = chance(2);
    const outcomes = {read: 0, refused: 0};
    for (let count = 0; count < tries; count += 1) {
      const wrong = Buffer.from(sound);
      const at = Math.floor(random() * (wrong.length - 1024));
      wrong.writeUInt8(Math.floor(random() * 256), at);
      const block = wrong.subarray(at - (at % 512));
      if (block.toString('latin1', 257, 262) === 'ustar') checksum(block);
      writeFileSync(join(project, 'wrong.tar'), wrong);
      const {refused} = await importBase(project, {source: 'wrong.tar'});
      outcomes[refused === undefined ? 'read' : 'refused'] += 1;
    }
    expect(Math.min(outcomes.read, outcomes.refused)).toBeGreaterThan(5);
    expect(below(outside)).toEqual(['hostname', 'inner', 'inner/file']);
  });

  it('is read or refused, and ends: qcow2 with compressed clusters', {timeout}, async () => {
    const disk = makeDisk('whole.raw', 'ext4');
    const image = join(project, 'wrong.qcow2');
    execFileSync('qemu-img', ['convert', '-c', '-f', 'raw', '-O', 'qcow2', disk, image]);
    const sound = readFileSync(image);
    expect((await importBase(project, {source: 'wrong.qcow2'})).refused).toBeUndefined();
    const written = places16(sound);
    const random = chance(3);
    for (let count = 0; count < 20; count += 1) {
      const wrong = Buffer.from(sound);
      // Half of them in the header and the tables behind it.
      const place = count % 2 === 0 ? Math.floor(random() * 12) : Math.floor(random() * written.length);
      const at = (written[place] ?? 0) + Math.floor(random() * 16);
      wrong.writeUInt8(wrong.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
      writeFileSync(image, wrong);
      await importBase(project, {source: 'wrong.qcow2'});
    }
    expect(below(outside)).toEqual(['hostname', 'inner', 'inner/file']);
  });
});

describe('a disk', () => {
  it('is refused where it is cut off, encrypted, or keeps its bytes in another file', async () => {
    const path = (name: string): string => join(project, name);
    writeFileSync(path('short.qcow2'), 'QFI\xfb', 'latin1');
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path('plain.qcow2'), '1M']);
    const elsewhere = readFileSync(path('plain.qcow2'));
    elsewhere.writeUInt8(0x4, 79);
    writeFileSync(path('elsewhere.qcow2'), elsewhere);
    const locked = readFileSync(path('plain.qcow2'));
    locked.writeUInt32BE(2, 32);
    writeFileSync(path('locked.qcow2'), locked);
    const messages = [];
    for (const source of ['short.qcow2', 'elsewhere.qcow2', 'locked.qcow2'])
      messages.push((await importBase(project, {source})).refused?.message.replace(/^.*imported: /, ''));
    expect(messages).toEqual([
      'The disk ends within its header',
      'The disk is not whole: it names another file that it builds on',
      'The disk is encrypted',
    ]);
  });

  it('is refused where its partitions lie where no disk reaches', async () => {
    const disk = join(project, 'gpt.raw');
    writeFileSync(disk, '');
    truncateSync(disk, 4 << 20);
    execFileSync('sfdisk', ['--quiet', disk], {input: 'label: gpt\nstart=2048, size=1024\n', stdio: 'pipe'});
    const bytes = readFileSync(disk);
    for (const header of [512, bytes.length - 512]) {
      const entries = Number(bytes.readBigUInt64LE(header + 72)) * 512;
      bytes.writeBigUInt64LE(2n ** 62n, entries + 32);
      bytes.writeBigUInt64LE(2n ** 62n + 8n, entries + 40);
      bytes.writeUInt32LE(crc32(bytes.subarray(entries, entries + 128 * 128)), header + 88);
      bytes.writeUInt32LE(0, header + 16);
      bytes.writeUInt32LE(crc32(bytes.subarray(header, header + 92)), header + 16);
    }
    writeFileSync(disk, bytes);
    const {refused} = await importBase(project, {source: 'gpt.raw'});
    expect(refused?.message).toMatch(
      /^gpt.raw cannot be imported: There is no ext4 file system with an operating/,
    );
  });

  it('is read where its fstab claims to be longer than memory', async () => {
    makeDisk('fstab.raw', 'ext4', 8 * 2 ** 30);
    const {refused, tree} = await importBase(project, {source: 'fstab.raw'});
    expect(refused).toBeUndefined();
    expect(existsSync(join(tree, 'etc/fstab'))).toBe(false);
  });

  it('lets whoever cancels have a turn while it is read', async () => {
    makeDisk('long.raw', 'ext4');
    const cancelled = new AbortController();
    const work = mkdtempSync(join(project, 'work-'));
    const entries = readDisk(join(project, 'long.raw'), {
      work,
      signal: cancelled.signal,
      progress: () => undefined,
    });
    await expect(
      (async () => {
        for await (const {path} of entries) {
          if (path === '') setImmediate(() => cancelled.abort());
          // As long as writing a large file takes.
          const until = Date.now() + 20;
          while (Date.now() < until);
        }
      })(),
    ).rejects.toThrow('This operation was aborted');
  });

  it('is not seen in an archive that has by chance what tells one', async () => {
    const archive = tarOf([
      {...osRelease, mode: 0o644},
      {name: 'file', content: Buffer.alloc(900, '\x53\xef')},
    ]);
    archive.writeUInt16LE(0xaa55, 510);
    checksum(archive);
    writeFileSync(join(project, 'chance.tar'), archive);
    expect((await importBase(project, {source: 'chance.tar'})).refused).toBeUndefined();
  });
});

/** A small file system with some of everything. */
function makeDisk(name: string, kind: string, fstabBytes?: number): string {
  const root = join(project, `${name}-root`);
  mkdirSync(join(root, 'etc'), {recursive: true});
  writeFileSync(join(root, 'etc/os-release'), osRelease.content ?? '');
  writeFileSync(join(root, 'etc/fstab'), 'LABEL=root / ext4 defaults 0 1\n');
  if (fstabBytes !== undefined) truncateSync(join(root, 'etc/fstab'), fstabBytes);
  writeFileSync(join(root, 'large'), 'content '.repeat(300));
  linkSync(join(root, 'large'), join(root, 'same'));
  writeFileSync(join(root, 'holes'), 'end');
  truncateSync(join(root, 'holes'), 300_000);
  symlinkSync('etc', join(root, 'short-link'));
  symlinkSync(`etc/${'long/'.repeat(20)}`, join(root, 'long-link'));
  execFileSync('setfattr', ['-n', 'user.note', '-v', 'x'.repeat(200), join(root, 'etc/fstab')]);
  mkdirSync(join(root, 'many'));
  for (let index = 0; index < 20; index += 1)
    writeFileSync(join(root, `many/file-${String(index)}`), String(index));
  const disk = join(project, name);
  writeFileSync(disk, '');
  truncateSync(disk, 1 << 20);
  const options = ['-q', '-F', '-t', kind, '-b', '1024', '-L', 'root', '-O', '^has_journal', '-d', root];
  execFileSync('mke2fs', [...options, disk], {stdio: 'pipe'});
  return disk;
}

/** Where sixteen bytes are not all zero. */
function places16(bytes: Buffer): readonly number[] {
  const places: number[] = [];
  for (let at = 0; at < bytes.length; at += 16)
    if (bytes.subarray(at, at + 16).some((byte) => byte !== 0)) places.push(at);
  return places;
}

async function unpack(disk: string): Promise<'read' | 'refused'> {
  const tree = mkdtempSync(join(project, 'tree-'));
  try {
    const writer = new TreeWriter(tree);
    for (const entry of readExt4(disk, 0)) {
      const owner = {uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0};
      await writer.write({...entry, ...owner});
    }
    writer.finish();
    return 'read';
  } catch (error) {
    if (error instanceof ImportError) return 'refused';
    throw error;
  } finally {
    rmSync(tree, {recursive: true});
  }
}
