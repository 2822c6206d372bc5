import {spawnSync} from 'node:child_process';
import {type Bytes, fieldAt} from './bytes.ts';
import {groupDescriptor, inode, superBlock} from './ext4-fields.ts';

const superBlockAt = 1024;
const superBlockBytes = 1024;

/** Inodes that every file system has, as mke2fs(8) makes them. */
const reservedInodes: Readonly<Record<number, string>> = {
  1: 'bad blocks',
  2: '/',
  7: 'blocks reserved for group descriptors',
  8: 'journal',
};

export function isExt4(bytes: Bytes): boolean {
  return bytes.read(superBlockAt + 0x38, 2).equals(Buffer.from([0x53, 0xef]));
}

/**
 * The field of the super block, of a group descriptor or of an inode, or the file, that an offset belongs to. Paths are
 * debugfs(8)'s answers; without that program there are numbers.
 */
export function ext4Place(bytes: Bytes, offset: number): readonly string[] {
  if (offset < superBlockAt) return ['boot block'];
  if (offset < superBlockAt + superBlockBytes)
    return ['super block', fieldAt(superBlock, offset - superBlockAt)];
  const layout = readLayout(bytes);
  const block = Math.floor(offset / layout.blockBytes);
  return inGroupDescriptors(layout, offset) ?? inGroups(bytes, layout, offset) ?? fileOf(bytes, block);
}

interface Layout {
  readonly blockBytes: number;
  readonly firstBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  readonly groups: readonly Group[];
}

interface Group {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
}

function readLayout(bytes: Bytes): Layout {
  const head = bytes.read(superBlockAt, superBlockBytes);
  const blockBytes = 1024 << head.readUInt32LE(0x18);
  const firstBlock = head.readUInt32LE(0x14);
  const blocksPerGroup = head.readUInt32LE(0x20);
  const is64Bit = (head.readUInt32LE(0x60) & 0x80) !== 0;
  const blocks = head.readUInt32LE(0x04) + (is64Bit ? head.readUInt32LE(0x150) * 2 ** 32 : 0);
  const descriptorBytes = is64Bit ? Math.max(64, head.readUInt16LE(0xfe)) : 32;
  const count = Math.ceil((blocks - firstBlock) / blocksPerGroup);
  const table = bytes.read((firstBlock + 1) * blockBytes, count * descriptorBytes);
  const groups: Group[] = [];
  for (let at = 0; at + descriptorBytes <= table.length; at += descriptorBytes) {
    const number = (low: number): number =>
      table.readUInt32LE(at + low) + (is64Bit ? table.readUInt32LE(at + low + 0x20) * 2 ** 32 : 0);
    groups.push({blockBitmap: number(0), inodeBitmap: number(4), inodeTable: number(8)});
  }
  return {
    blockBytes,
    firstBlock,
    blocksPerGroup,
    inodesPerGroup: head.readUInt32LE(0x28),
    inodeBytes: head.readUInt16LE(0x58),
    descriptorBytes,
    groups,
  };
}

/** The table behind the super block, or one of the copies of both that some groups begin with. */
function inGroupDescriptors(layout: Layout, offset: number): readonly string[] | undefined {
  const {blockBytes, firstBlock, blocksPerGroup, descriptorBytes, groups} = layout;
  const tableBytes = groups.length * descriptorBytes;
  const group = Math.floor((Math.floor(offset / blockBytes) - firstBlock) / blocksPerGroup);
  if (!hasCopy(group)) return undefined;
  const copy = group === 0 ? [] : [`copy in group ${String(group)}`];
  const start = (firstBlock + group * blocksPerGroup) * blockBytes;
  if (group > 0 && offset < start + superBlockBytes)
    return ['super block', ...copy, fieldAt(superBlock, offset - start)];
  const at = offset - start - blockBytes;
  if (at < 0 || at >= tableBytes) return undefined;
  const of = String(Math.floor(at / descriptorBytes));
  return [`descriptor of group ${of}`, ...copy, fieldAt(groupDescriptor, at % descriptorBytes)];
}

/** sparse_super: groups 0, 1 and powers of 3, 5 and 7. */
function hasCopy(group: number): boolean {
  const isPowerOf = (base: number): boolean => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  };
  return group === 0 || group === 1 || [3, 5, 7].some(isPowerOf);
}

function inGroups(bytes: Bytes, layout: Layout, offset: number): readonly string[] | undefined {
  const {blockBytes, inodesPerGroup, inodeBytes, groups} = layout;
  const block = Math.floor(offset / blockBytes);
  for (const [group, {blockBitmap, inodeBitmap, inodeTable}] of groups.entries()) {
    if (block === blockBitmap) return [`block bitmap of group ${String(group)}`];
    if (block === inodeBitmap) return [`inode bitmap of group ${String(group)}`];
    const at = offset - inodeTable * blockBytes;
    if (at < 0 || at >= inodesPerGroup * inodeBytes) continue;
    const number = group * inodesPerGroup + Math.floor(at / inodeBytes) + 1;
    return [inodeName(bytes, number), fieldAt(inode, at % inodeBytes)];
  }
  return undefined;
}

function fileOf(bytes: Bytes, block: number): readonly string[] {
  const number = secondColumn(askDebugfs(bytes, `icheck ${String(block)}`));
  return /^\d+$/.test(number)
    ? [`data of ${inodeName(bytes, Number(number))}`, `block ${String(block)}`]
    : [`block ${String(block)}`];
}

function inodeName(bytes: Bytes, number: number): string {
  const path = reservedInodes[number] ?? secondColumn(askDebugfs(bytes, `ncheck ${String(number)}`));
  return path === '' ? `inode ${String(number)}` : `inode ${String(number)} (${path.replace(/^\/\//, '/')})`;
}

/** Answers are a heading and one line of number and value. */
function secondColumn(answer: string): string {
  return answer.split('\n')[1]?.split('\t')[1]?.trim() ?? '';
}

/** What debugfs tells of the file system where it lies; nothing where the program is missing. */
function askDebugfs({origin}: Bytes, request: string): string {
  // `?offset=` is a part of the name to debugfs, so that a question mark in the name itself misleads it.
  if (origin === undefined || origin.path.includes('?')) return '';
  const place = `${origin.path}?offset=${String(origin.start)}`;
  const {stdout} = spawnSync('debugfs', ['-R', request, place], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {...process.env, LC_ALL: 'C', DEBUGFS_PAGER: 'cat'},
  }) as {readonly stdout: string | null};
  return stdout ?? '';
}
