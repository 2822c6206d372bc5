import {readFileSync, utimesSync, writeFileSync} from 'node:fs';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {compareFiles, type FileDifference} from '../../../src/compare/files.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {make, offsetOf, placeAt} from './artifacts.ts';

const folder = new TemporaryFolder();
const time = 1_700_000_000;
const text = 'the quick brown fox\n';

beforeAll(() => {
  for (const [name, content] of [
    ['one', text],
    ['two', `${text}jumps\n`],
  ] as const) {
    folder.write({[`${name}/etc/fox`]: content, [`${name}/etc/other`]: 'other'});
    for (const path of ['etc/fox', 'etc/other', 'etc', '.']) utimesSync(folder.join(name, path), time, time);
  }
});
afterAll(() => folder[Symbol.dispose]());

function compare(a: string, b: string): Promise<FileDifference | undefined> {
  return compareFiles(a, b, {work: folder.path, signal: AbortSignal.timeout(60_000)});
}

describe('tar', () => {
  const options = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner'];

  it('names the member and the field', () => {
    const archive = folder.join('one.tar');
    make('tar', [...options, '-cf', archive, '-C', folder.join('one'), 'etc']);
    const at = offsetOf(archive, 'etc/fox\0');
    expect(placeAt(archive, at)).toEqual(['tar', 'member etc/fox', 'name']);
    expect(placeAt(archive, at + 136)).toEqual(['tar', 'member etc/fox', 'mtime']);
    expect(placeAt(archive, offsetOf(archive, 'quick'))).toEqual([
      'tar',
      'member etc/fox',
      'content, offset 4',
    ]);
    expect(placeAt(archive, at + 1023)).toEqual(['tar', 'member etc/fox', 'padding']);
    expect(placeAt(archive, readFileSync(archive).length - 1)).toEqual(['tar', 'end of the archive']);
  });

  it.each(['pax', 'gnu'])('names members with long names in the format %s', (format) => {
    const name = `${'long/'.repeat(60)}name`;
    folder.write({[`${format}/${name}`]: 'here it is'});
    const archive = folder.join(`${format}.tar`);
    make('tar', [...options, `--format=${format}`, '-cf', archive, '-C', folder.join(format), name]);
    expect(placeAt(archive, offsetOf(archive, 'here it is'))[1]).toBe(`member ${name}`);
    expect(placeAt(archive, 100)[1]).toMatch(/^extended header /);
  });

  it('finds the member in which two compressed archives differ', async () => {
    for (const name of ['one', 'two'])
      make('tar', [...options, '-czf', folder.join(`${name}.tgz`), '-C', folder.join(name), 'etc']);
    const difference = await compare(folder.join('one.tgz'), folder.join('two.tgz'));
    expect(difference?.place[0]).toBe('gzip');
    expect(difference?.inside?.what).toBe('what is compressed with gzip');
    expect(difference?.inside?.file?.place).toEqual(['tar', 'member etc/fox', 'size']);
  });
});

describe('gzip', () => {
  it('names the fields of the header and the trailer', () => {
    const plain = folder.join('plain');
    writeFileSync(plain, text.repeat(10));
    utimesSync(plain, time, time);
    make('gzip', ['--keep', '--name', plain]);
    const packed = `${plain}.gz`;
    const {length} = readFileSync(packed);
    expect(placeAt(packed, 5)).toEqual(['gzip', 'header', 'MTIME']);
    expect(placeAt(packed, 9)).toEqual(['gzip', 'header', 'OS']);
    expect(placeAt(packed, 12)).toEqual(['gzip', 'header', 'FNAME']);
    expect(placeAt(packed, 16)).toEqual(['gzip', 'compressed data']);
    expect(placeAt(packed, length - 8)).toEqual(['gzip', 'trailer', 'CRC32']);
    expect(placeAt(packed, length - 1)).toEqual(['gzip', 'trailer', 'ISIZE']);
  });

  it('tells that only the header differs where the content is the same', async () => {
    const plain = folder.join('timed');
    writeFileSync(plain, text);
    for (const [name, at] of [
      ['a', time],
      ['b', time + 1],
    ] as const) {
      utimesSync(plain, at, at);
      make('gzip', ['--keep', '--name', `--suffix=.${name}.gz`, plain]);
    }
    const difference = await compare(`${plain}.a.gz`, `${plain}.b.gz`);
    expect(difference?.place).toEqual(['gzip', 'header', 'MTIME']);
    expect(difference?.inside).toEqual({what: 'what is compressed with gzip'});
  });
});

describe('cpio', () => {
  function archive(name: string, members: readonly string[]): Buffer {
    const path = folder.join(`${name}.cpio`);
    const words = ['--create', '--quiet', '--format=newc', '--reproducible', '--file', path];
    make('cpio', words, {input: `${members.join('\n')}\n`, cwd: folder.join(name)});
    return readFileSync(path);
  }

  /** As an initial RAM disk is: microcode as it is, the rest compressed. */
  function initramfs(name: string): string {
    const early = archive(name, ['etc', 'etc/other']);
    writeFileSync(folder.join('late'), archive(name, ['etc', 'etc/fox']));
    make('zstd', ['-q', '-f', folder.join('late'), '-o', folder.join('late.zst')]);
    const path = folder.join(`${name}.img`);
    writeFileSync(path, Buffer.concat([early, Buffer.alloc(512), readFileSync(folder.join('late.zst'))]));
    return path;
  }

  it('names the member and the field of its header', () => {
    const path = folder.join('one.cpio');
    archive('one', ['etc', 'etc/fox']);
    const at = offsetOf(path, 'etc/fox') - 110;
    expect(placeAt(path, at + 6)).toEqual(['cpio', 'archive 1', 'member etc/fox', 'c_ino']);
    expect(placeAt(path, at + 46)).toEqual(['cpio', 'archive 1', 'member etc/fox', 'c_mtime']);
    expect(placeAt(path, at + 110)).toEqual(['cpio', 'archive 1', 'member etc/fox', 'name']);
    const content = ['cpio', 'archive 1', 'member etc/fox', 'content, offset 4'];
    expect(placeAt(path, offsetOf(path, 'quick'))).toEqual(content);
  });

  it('goes on into archives behind the first, compressed ones too', async () => {
    const [one, two] = [initramfs('one'), initramfs('two')];
    const difference = await compare(one, two);
    expect(difference?.place).toEqual(['cpio', 'archive 2', 'zstd']);
    expect(difference?.inside?.what).toBe('what is compressed with zstd');
    expect(difference?.inside?.file?.place).toEqual(['cpio', 'archive 1', 'member etc/fox', 'c_filesize']);
  });

  it('counts archives that are not compressed', () => {
    const path = folder.join('both');
    writeFileSync(path, Buffer.concat([archive('one', ['etc/other']), archive('one', ['etc/fox'])]));
    const content = ['cpio', 'archive 2', 'member etc/fox', 'content, offset 4'];
    expect(placeAt(path, offsetOf(path, 'quick'))).toEqual(content);
  });
});

describe('squashfs', () => {
  function squash(name: string, at = time): string {
    const path = folder.join(`${name}.${String(at)}.squashfs`);
    make('mksquashfs', [folder.join(name), path, '-noappend', '-quiet', '-no-progress', '-all-root'], {
      env: {SOURCE_DATE_EPOCH: String(at)},
    });
    return path;
  }

  it('names fields of the superblock, and tables', () => {
    const path = squash('one');
    expect(placeAt(path, 8)).toEqual(['squashfs', 'superblock', 'mkfs_time']);
    expect(placeAt(path, 40)).toEqual(['squashfs', 'superblock', 'bytes_used']);
    expect(placeAt(path, 96)).toEqual(['squashfs', 'data of files']);
    const inodes = Number(readFileSync(path).readBigUInt64LE(64));
    expect(placeAt(path, inodes)).toEqual(['squashfs', 'inode table']);
    expect(placeAt(path, readFileSync(path).length - 1)).toEqual(['squashfs', 'padding']);
  });

  it('finds the time at which it was made', async () => {
    const difference = await compare(squash('one'), squash('one', time + 1));
    expect(difference?.place).toEqual(['squashfs', 'superblock', 'mkfs_time']);
  });

  it('names the file that differs, and where', async () => {
    const difference = await compare(squash('one'), squash('two'));
    expect(difference?.inside?.what).toBe('the tree');
    expect(difference?.inside?.entries?.map(({path}) => path)).toEqual(['etc/fox']);
    expect(difference?.inside?.content?.path).toBe('etc/fox');
    expect(difference?.inside?.content?.difference.offset).toBe(text.length);
    expect(difference?.inside?.content?.difference.line).toEqual({number: 2, a: '', b: 'jumps'});
  });
});

describe('qcow2', () => {
  function convert(raw: string, name: string, options: readonly string[] = []): string {
    const path = folder.join(name);
    make('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', ...options, raw, path]);
    return path;
  }

  function rawDisk(name: string, content: string): string {
    const path = folder.join(name);
    const bytes = Buffer.alloc(1 << 20);
    bytes.write(content, 700_000);
    writeFileSync(path, bytes);
    return path;
  }

  it('names fields of the header, and tables', () => {
    const path = convert(rawDisk('a.raw', text), 'a.qcow2');
    const head = readFileSync(path);
    expect(placeAt(path, 24)).toEqual(['qcow2', 'header', 'size']);
    expect(placeAt(path, 200)).toEqual(['qcow2', 'header extensions']);
    const l1 = Number(head.readBigUInt64BE(40));
    expect(placeAt(path, l1)).toEqual(['qcow2', 'L1 table', 'entry 0']);
    expect(placeAt(path, Number(head.readBigUInt64BE(48)))).toEqual(['qcow2', 'refcount table', 'entry 0']);
    const l2 = Number(head.readBigUInt64BE(l1) & 0xfffffffffffe00n);
    expect(placeAt(path, l2)).toEqual(['qcow2', 'L2 table 0']);
    expect(placeAt(path, offsetOf(path, 'quick'))).toEqual(['qcow2', 'data clusters']);
  });

  it('compares the disks inside', async () => {
    const [a, b] = [rawDisk('a.raw', text), rawDisk('b.raw', text.replace('brown', 'green'))];
    const options = ['-c', '-o', 'compression_type=zstd'];
    const difference = await compare(convert(a, 'a.qcow2', options), convert(b, 'b.qcow2', options));
    expect(difference?.inside?.what).toBe('the virtual disk');
    expect(difference?.inside?.file?.offset).toBe(700_000 + text.indexOf('brown'));
  });

  it('tells that only the layout differs where the disks are the same', async () => {
    const raw = rawDisk('a.raw', text);
    const difference = await compare(convert(raw, 'a.qcow2'), convert(raw, 'c.qcow2', ['-c']));
    expect(difference?.inside).toEqual({what: 'the virtual disk'});
  });
});
