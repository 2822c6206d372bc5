import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {setImmediate} from 'node:timers/promises';
import {promisify} from 'node:util';
import {isErrno} from '../../errors.ts';
import {bytesAt, compressionOf, firstBytes} from './decompress.ts';
import {ImportError, plainEntryPath, shownPath, type TreeEntry} from './entry.ts';
import {hasJournalToReplay, isExt4} from './ext4-format.ts';
import {readExt4} from './ext4-reader.ts';
import {type MountLine, parseFstab} from './fstab.ts';
import {isTarHeader} from './tar-reader.ts';

const run = promisify(execFile);
const sectorBytes = 512;
const lookBytes = 128 * 1024;

/** What a file holds that is a disk: QEMU's own format, or the bytes of a disk or of one file system. */
export function diskFormat(path: string): 'qcow2' | 'raw' | undefined {
  const begin = firstBytes(path, lookBytes);
  if (begin.toString('latin1', 0, 4) === 'QFI\xfb') return 'qcow2';
  // An archive may have by chance what tells a disk.
  if (compressionOf(path) !== undefined || isTarHeader(begin)) return undefined;
  const hasTable = begin.length >= sectorBytes && begin.readUInt16LE(510) === 0xaa55;
  return hasTable || fileSystemOf(begin) !== undefined ? 'raw' : undefined;
}

/**
 * The entries of the root on a disk, and of what its fstab(5) mounts in it, read without mounting anything. `work`: a
 * folder for a plain copy of the disk.
 */
export async function* readDisk(
  path: string,
  {
    work,
    signal,
    progress,
  }: {readonly work: string; readonly signal: AbortSignal; readonly progress: (message: string) => void},
): AsyncGenerator<TreeEntry> {
  progress('Reading the disk');
  const raw = join(work, 'disk.raw');
  await plainDisk(path, {raw, signal});
  const volumes = await volumesOf(raw, signal);
  const root = await rootOf(volumes, {raw, signal});
  yield* paced(readExt4(raw, root.volume.offset), signal);
  for (const line of root.fstab) {
    const mounted = findMounted(line, volumes);
    if (mounted === undefined) continue;
    requireReadable(mounted, line.path);
    await replayJournal(raw, mounted, signal);
    progress(`Reading ${shownPath(line.path)} of the disk`);
    const below = plainEntryPath(line.path);
    for await (const entry of paced(readExt4(raw, mounted.offset), signal)) yield inFolder(entry, below);
  }
}

/** What is read without waiting, with turns for others: whoever cancels, and the display, want theirs. */
async function* paced(entries: Iterable<TreeEntry>, signal: AbortSignal): AsyncGenerator<TreeEntry> {
  let until = Date.now() + turnMs;
  const turn = async (): Promise<void> => {
    if (Date.now() < until) return;
    await setImmediate();
    signal.throwIfAborted();
    until = Date.now() + turnMs;
  };
  async function* pacedContent(content: NonNullable<TreeEntry['content']>): AsyncGenerator<Buffer> {
    for await (const chunk of content) {
      yield chunk;
      await turn();
    }
  }
  for (const entry of entries) {
    yield entry.content === undefined ? entry : {...entry, content: pacedContent(entry.content)};
    await turn();
  }
}

const turnMs = 50;

/** A file system on a disk. */
interface Volume {
  readonly offset: number;
  /** What is in it, by its first bytes; undefined: nothing that is known. */
  readonly filesystem: string | undefined;
  readonly begin: Buffer;
  /** Of the partition. */
  readonly id?: string;
  readonly label?: string;
}

/** The copy that is read may be changed; it is sparse where the disk is. */
async function plainDisk(path: string, {raw, signal}: {raw: string; signal: AbortSignal}): Promise<void> {
  const format = diskFormat(path);
  if (format === 'qcow2') {
    requirePlainFile(firstBytes(path, 112));
    // The format is said: a guess could be led to a file that the image names.
    await program('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', '--', path, raw], signal);
  } else await program('cp', ['--sparse=always', '--reflink=auto', '--', path, raw], signal);
}

/** docs/interop/qcow2.txt of QEMU: what names another file would have the host's files read. */
function requirePlainFile(header: Buffer): void {
  if (header.length < qcow2HeaderBytes) throw new ImportError('The disk ends within its header');
  if (header.readUInt32BE(32) !== 0)
    throw new ImportError('The disk is encrypted', {
      hint: 'Convert it with "qemu-img convert" and its secret',
    });
  const hasBacking = header.readBigUInt64BE(8) !== 0n;
  const hasDataFile = header.readUInt32BE(4) >= 3 && (header.readBigUInt64BE(72) & 0x4n) !== 0n;
  if (!hasBacking && !hasDataFile) return;
  throw new ImportError('The disk is not whole: it names another file that it builds on', {
    hint: 'Make it whole with "qemu-img convert -O qcow2"',
  });
}

/** Up to the incompatible features of version 3, which is what a file of version 2 has clusters for. */
const qcow2HeaderBytes = 104;

/** The file systems of a disk: those in its partitions, or the one that it is. */
async function volumesOf(raw: string, signal: AbortSignal): Promise<readonly Volume[]> {
  const whole = firstBytes(raw, lookBytes);
  const filesystem = fileSystemOf(whole);
  if (filesystem !== undefined) return [{offset: 0, filesystem, begin: whole}];
  const {stdout} = await program('sfdisk', ['--json', '--', raw], signal);
  const table = partitionTable(stdout);
  const volumes: Volume[] = [];
  for (const {start, uuid, name} of table.partitions ?? []) {
    const offset = start * (table.sectorsize ?? sectorBytes);
    const begin = bytesAt(raw, offset, lookBytes);
    volumes.push({
      offset,
      begin,
      filesystem: fileSystemOf(begin),
      ...(uuid === undefined ? {} : {id: uuid.toLowerCase()}),
      ...(name === undefined ? {} : {label: Buffer.from(name).toString('latin1')}),
    });
  }
  return volumes;
}

/** What sfdisk(8) tells with --json. */
interface PartitionTable {
  readonly sectorsize?: number;
  readonly partitions?: readonly {readonly start: number; readonly uuid?: string; readonly name?: string}[];
}

/** Names of partitions are whatever somebody wrote there: not every sfdisk makes JSON of all of them. */
function partitionTable(json: string): PartitionTable {
  try {
    return (JSON.parse(json) as {readonly partitiontable?: PartitionTable}).partitiontable ?? {};
  } catch (error) {
    throw new ImportError('The partition table of the disk cannot be read', {cause: error});
  }
}

/** File systems by their magic numbers. */
function fileSystemOf(begin: Buffer): string | undefined {
  if (isExt4(begin)) return 'ext4';
  const has = (at: number, text: string): boolean => begin.toString('latin1', at, at + text.length) === text;
  const others: readonly (readonly [boolean, string])[] = [
    [has(0, 'XFSB'), 'xfs'],
    [has(65_536 + 64, '_BHRfS_M'), 'btrfs'],
    [has(0, 'LUKS\xba\xbe'), 'LUKS'],
    [has(512, 'LABELONE'), 'LVM'],
    [has(0, 'hsqs'), 'squashfs'],
    [has(1024, '\xe2\xe1\xf5\xe0'), 'erofs'],
    [has(4086, 'SWAPSPACE2'), 'swap'],
    [has(82, 'FAT32') || has(54, 'FAT16') || has(54, 'FAT12'), 'vfat'],
  ];
  return others.find(([found]) => found)?.[1];
}

/** The file system with /etc/os-release: what an operating system is known by. */
async function rootOf(
  volumes: readonly Volume[],
  {raw, signal}: {readonly raw: string; readonly signal: AbortSignal},
): Promise<{readonly volume: Volume; readonly fstab: readonly MountLine[]}> {
  for (const volume of volumes.filter(({filesystem}) => filesystem === 'ext4')) {
    await replayJournal(raw, volume, signal);
    let isRoot = false;
    let fstab: readonly MountLine[] = [];
    for await (const entry of paced(readExt4(raw, volume.offset), signal)) {
      isRoot ||= /^(?:etc|usr\/lib)\/os-release$/.test(entry.path);
      if (entry.path === 'etc/fstab') fstab = parseFstab(await textOf(entry));
    }
    if (isRoot) return {volume, fstab};
  }
  const there = [...new Set(volumes.map(({filesystem}) => filesystem ?? 'something unknown'))].join(', ');
  throw new ImportError(
    `There is no ext4 file system with an operating system on the disk, only ${there || 'nothing'}`,
    {
      hint: 'Other file systems are not read: make a tar archive of the root on a machine that can mount it, and import that',
    },
  );
}

const mostTextBytes = 1 << 20;

/** The beginning of a file as latin1 text, as paths are. */
async function textOf({content = []}: TreeEntry): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of content) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= mostTextBytes) break;
  }
  return Buffer.concat(chunks).toString('latin1');
}

/** What was written to the journal alone is brought to its place, as the kernel does when it mounts. */
async function replayJournal(raw: string, {begin, offset}: Volume, signal: AbortSignal): Promise<void> {
  if (!isExt4(begin) || !hasJournalToReplay(begin)) return;
  await program('e2fsck', ['-E', 'journal_only', '-y', `${raw}?offset=${String(offset)}`], signal, [0, 1]);
}

/** The volume that a line of fstab means; undefined for what is no part of the tree. */
function findMounted({source, path, type}: MountLine, volumes: readonly Volume[]): Volume | undefined {
  if (path === '/' || !path.startsWith('/') || /^\/(?:boot\/efi|efi)$/.test(path)) return undefined;
  if (!['ext2', 'ext3', 'ext4', 'auto', 'xfs', 'btrfs'].includes(type)) return undefined;
  const [, key = '', value = source] = /^(UUID|LABEL|PARTUUID|PARTLABEL)="?([^"]*)"?$/.exec(source) ?? [];
  const found = volumes.find((volume) => {
    if (key === 'PARTUUID') return volume.id === value.toLowerCase();
    if (key === 'PARTLABEL') return volume.label === value;
    if (volume.filesystem !== 'ext4') return false;
    const uuid = volume.begin.toString('hex', 1024 + 0x68, 1024 + 0x78);
    if (key === 'UUID') return uuid === value.replaceAll('-', '').toLowerCase();
    const label = volume.begin.toString('latin1', 1024 + 0x78, 1024 + 0x88).replace(/\0.*$/s, '');
    return key === 'LABEL' && label === value;
  });
  if (found !== undefined) return found;
  throw new ImportError(
    `What the disk mounts at ${shownPath(path)} is not found on it: ${shownPath(source)}`,
    {
      hint: 'Only ext4 file systems of the same disk are read: make a tar archive of the whole root, and import that',
    },
  );
}

function requireReadable({filesystem}: Volume, path: string): void {
  if (filesystem === 'ext4') return;
  throw new ImportError(
    `What the disk mounts at ${shownPath(path)} is ${filesystem ?? 'of no known kind'}, which is not read`,
    {
      hint: 'Make a tar archive of the whole root on a machine that can mount it, and import that',
    },
  );
}

function inFolder(entry: TreeEntry, folder: string): TreeEntry {
  const inside = (path: string): string => (path === '' ? folder : `${folder}/${path}`);
  const moved = {...entry, path: inside(entry.path)};
  return entry.type === 'hardlink' ? {...moved, target: inside(entry.target ?? '')} : moved;
}

async function program(
  name: string,
  args: readonly string[],
  signal: AbortSignal,
  good: readonly number[] = [0],
): Promise<{readonly stdout: string}> {
  try {
    return await run(name, args, {
      signal,
      maxBuffer: 1 << 24,
      env: {...process.env, LC_ALL: 'C'},
      killSignal: 'SIGKILL',
    });
  } catch (error) {
    signal.throwIfAborted();
    if (isErrno(error, 'ENOENT'))
      throw new ImportError(`${name} is not on this host`, {
        hint: 'Run "fgimage doctor --install"',
        cause: error,
      });
    const {code, stderr = '', stdout = ''} = error as {code?: unknown; stderr?: string; stdout?: string};
    if (typeof code === 'number' && good.includes(code)) return {stdout};
    throw new ImportError(`${name} cannot read the disk: ${stderr.trim().split('\n').at(-1) ?? ''}`, {
      cause: error,
    });
  }
}
