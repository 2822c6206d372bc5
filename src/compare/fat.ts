import {type Bytes, type Field, fieldAt, fields} from './bytes.ts';

/** The boot sector, little endian (Microsoft, "FAT: General Overview of On-Disk Format", 1.03). */
const common: readonly (readonly [number, number, string])[] = [
  [0, 3, 'BS_jmpBoot'],
  [3, 8, 'BS_OEMName'],
  [11, 2, 'BPB_BytsPerSec'],
  [13, 1, 'BPB_SecPerClus'],
  [14, 2, 'BPB_RsvdSecCnt'],
  [16, 1, 'BPB_NumFATs'],
  [17, 2, 'BPB_RootEntCnt'],
  [19, 2, 'BPB_TotSec16'],
  [21, 1, 'BPB_Media'],
  [22, 2, 'BPB_FATSz16'],
  [24, 2, 'BPB_SecPerTrk'],
  [26, 2, 'BPB_NumHeads'],
  [28, 4, 'BPB_HiddSec'],
  [32, 4, 'BPB_TotSec32'],
];
const tail = (at: number): readonly (readonly [number, number, string])[] => [
  [at, 1, 'BS_DrvNum'],
  [at + 2, 1, 'BS_BootSig'],
  [at + 3, 4, 'BS_VolID'],
  [at + 7, 11, 'BS_VolLab'],
  [at + 18, 8, 'BS_FilSysType'],
  [at + 26, 510 - at - 26, 'boot code'],
  [510, 2, 'boot signature'],
];
const bootSector = {
  12: fields([...common, ...tail(36)]),
  16: fields([...common, ...tail(36)]),
  32: fields([
    ...common,
    [36, 4, 'BPB_FATSz32'],
    [40, 2, 'BPB_ExtFlags'],
    [42, 2, 'BPB_FSVer'],
    [44, 4, 'BPB_RootClus'],
    [48, 2, 'BPB_FSInfo'],
    [50, 2, 'BPB_BkBootSec'],
    ...tail(64),
  ]),
} as const satisfies Record<number, readonly Field[]>;

const directoryEntry = fields([
  [0, 11, 'DIR_Name'],
  [11, 1, 'DIR_Attr'],
  [12, 1, 'DIR_NTRes'],
  [13, 1, 'DIR_CrtTimeTenth'],
  [14, 2, 'DIR_CrtTime'],
  [16, 2, 'DIR_CrtDate'],
  [18, 2, 'DIR_LstAccDate'],
  [20, 2, 'DIR_FstClusHI'],
  [22, 2, 'DIR_WrtTime'],
  [24, 2, 'DIR_WrtDate'],
  [26, 2, 'DIR_FstClusLO'],
  [28, 4, 'DIR_FileSize'],
]);

const entryBytes = 32;

export function isFat(bytes: Bytes): boolean {
  const head = bytes.read(0, 512);
  return (
    head.length === 512 &&
    head.readUInt16LE(510) === 0xaa55 &&
    [36, 64].some(
      (at) => head.toString('latin1', at + 18, at + 21) === 'FAT' && [0x28, 0x29].includes(head[at + 2] ?? 0),
    )
  );
}

/** The field of the boot sector, the table, the entry of a folder, or the file, that an offset belongs to. */
export function fatPlace(bytes: Bytes, offset: number): readonly string[] {
  const volume = readVolume(bytes);
  const {kind, sectorBytes, reservedBytes, tableBytes, tables, rootBytes, clusterBytes, dataAt} = volume;
  if (offset < 512) return ['boot sector', fieldAt(bootSector[kind], offset)];
  if (offset < reservedBytes) return reservedPlace(bytes, {offset, sectorBytes, kind});
  if (offset < reservedBytes + tables * tableBytes) {
    const at = offset - reservedBytes;
    const entry = Math.floor(((at % tableBytes) * 8) / kind);
    return [`allocation table ${String(Math.floor(at / tableBytes) + 1)}`, `entry ${String(entry)}`];
  }
  if (offset < dataAt) return ['folder /', ...entryField(bytes, dataAt - rootBytes, offset)];
  const cluster = Math.floor((offset - dataAt) / clusterBytes) + 2;
  const owner = ownerOf(bytes, volume, cluster);
  if (owner === undefined) return ['free space', `cluster ${String(cluster)}`];
  if (!owner.isFolder) return [`file ${owner.path}`, `cluster ${String(cluster)}`];
  return [`folder ${owner.path}`, ...entryField(bytes, dataAt + (cluster - 2) * clusterBytes, offset)];
}

interface Volume {
  readonly kind: 12 | 16 | 32;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  readonly reservedBytes: number;
  readonly tables: number;
  readonly tableBytes: number;
  /** Of FAT12 and FAT16; FAT32 has the root folder in clusters. */
  readonly rootBytes: number;
  readonly rootCluster: number;
  readonly dataAt: number;
}

function readVolume(bytes: Bytes): Volume {
  const head = bytes.read(0, 512);
  const sectorBytes = head.readUInt16LE(11);
  const sectorsPerCluster = Math.max(1, head[13] ?? 1);
  const reservedBytes = head.readUInt16LE(14) * sectorBytes;
  const tables = head[16] ?? 2;
  const tableSectors = head.readUInt16LE(22) || head.readUInt32LE(36);
  const tableBytes = tableSectors * sectorBytes;
  const rootBytes = head.readUInt16LE(17) * entryBytes;
  const sectors = head.readUInt16LE(19) || head.readUInt32LE(32);
  const dataAt = reservedBytes + tables * tableBytes + rootBytes;
  const clusters = (sectors - dataAt / sectorBytes) / sectorsPerCluster;
  const isFat32 = head.readUInt16LE(22) === 0;
  return {
    kind: isFat32 ? 32 : clusters < 4085 ? 12 : 16,
    sectorBytes,
    clusterBytes: sectorsPerCluster * sectorBytes,
    reservedBytes,
    tables,
    tableBytes,
    rootBytes,
    rootCluster: isFat32 ? head.readUInt32LE(44) : 0,
    dataAt,
  };
}

function reservedPlace(
  bytes: Bytes,
  {
    offset,
    sectorBytes,
    kind,
  }: {readonly offset: number; readonly sectorBytes: number; readonly kind: 12 | 16 | 32},
): readonly string[] {
  if (kind !== 32) return ['reserved sectors'];
  const head = bytes.read(0, 512);
  const number = Math.floor(offset / sectorBytes);
  if (number === head.readUInt16LE(48)) return ['FSInfo sector'];
  return number === head.readUInt16LE(50)
    ? ['copy of the boot sector', fieldAt(bootSector[kind], offset % sectorBytes)]
    : ['reserved sectors'];
}

/** The entry of a folder, by its short name, and the field in it. */
function entryField(bytes: Bytes, folderAt: number, offset: number): readonly string[] {
  const at = offset - ((offset - folderAt) % entryBytes);
  const entry = bytes.read(at, entryBytes);
  if (entry.length < entryBytes || entry[0] === 0) return ['free entry'];
  if (entry[11] === 0x0f) return ['part of a long name'];
  const label = ((entry[11] ?? 0) & 0x08) === 0 ? 'entry' : 'volume label';
  return [`${label} ${shortName(entry)}`, fieldAt(directoryEntry, offset - at)];
}

interface Owner {
  readonly path: string;
  readonly isFolder: boolean;
}

/** Whose cluster it is: folders are read from the root on until one is found that has it. */
function ownerOf(bytes: Bytes, volume: Volume, wanted: number): Owner | undefined {
  const {kind, rootCluster, rootBytes, dataAt, clusterBytes} = volume;
  const seen = new Set<number>();
  const open: {path: string; content: Buffer}[] = [];
  const enter = (path: string, first: number): boolean => {
    const chain = chainFrom(bytes, volume, first).filter((cluster) => !seen.has(cluster));
    for (const cluster of chain) seen.add(cluster);
    const pieces = chain.map((cluster) => bytes.read(dataAt + (cluster - 2) * clusterBytes, clusterBytes));
    open.push({path, content: Buffer.concat(pieces)});
    return chain.includes(wanted);
  };
  if (kind !== 32) open.push({path: '', content: bytes.read(dataAt - rootBytes, rootBytes)});
  else if (enter('', rootCluster)) return {path: '/', isFolder: true};
  for (let folder = open.shift(); folder !== undefined; folder = open.shift()) {
    for (const entry of entriesOf(folder.content)) {
      const path = `${folder.path}/${shortName(entry)}`;
      const first = entry.readUInt16LE(26) + (kind === 32 ? entry.readUInt16LE(20) * 2 ** 16 : 0);
      const isFolder = ((entry[11] ?? 0) & 0x10) !== 0;
      if (isFolder ? enter(path, first) : chainFrom(bytes, volume, first).includes(wanted))
        return {path, isFolder};
    }
  }
  return undefined;
}

/** Entries of files and folders: not long names, labels, deleted ones, `.` and `..`. */
function entriesOf(content: Buffer): readonly Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + entryBytes <= content.length; at += entryBytes) {
    const entry = content.subarray(at, at + entryBytes);
    if (entry[0] === 0) break;
    const isOther = entry[0] === 0xe5 || entry[0] === 0x2e || ((entry[11] ?? 0) & 0x08) !== 0;
    if (!isOther) found.push(entry);
  }
  return found;
}

function shortName(entry: Buffer): string {
  const isLabel = ((entry[11] ?? 0) & 0x08) !== 0;
  if (isLabel) return entry.toString('latin1', 0, 11).trimEnd();
  const [name, extension] = [
    entry.toString('latin1', 0, 8).trimEnd(),
    entry.toString('latin1', 8, 11).trimEnd(),
  ];
  return extension === '' ? name : `${name}.${extension}`;
}

function chainFrom(bytes: Bytes, volume: Volume, first: number): readonly number[] {
  const {kind, reservedBytes, tableBytes} = volume;
  const clusters: number[] = [];
  const most = Math.floor((tableBytes * 8) / kind);
  for (let cluster = first; cluster >= 2 && cluster < most && clusters.length < most; ) {
    clusters.push(cluster);
    const word = bytes.read(reservedBytes + Math.floor((cluster * kind) / 8), 4);
    if (word.length < 4) break;
    const value = word.readUInt32LE(0);
    if (kind === 32) cluster = value & 0x0fffffff;
    else if (kind === 16) cluster = value & 0xffff;
    else cluster = (cluster % 2 === 0 ? value : value >>> 4) & 0xfff;
  }
  return clusters;
}
