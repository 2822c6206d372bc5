import {type Bytes, fieldAt, fields, stretch} from './bytes.ts';

const sector = 512;

/** The classic boot sector, and a row of its table (UEFI 2.10, section 5.2.1). */
const bootRecord = fields([
  [0, 440, 'boot code'],
  [440, 4, 'disk signature'],
  [444, 2, 'reserved'],
  [510, 2, 'boot signature'],
]);
const bootPartition = fields([
  [0, 1, 'boot indicator'],
  [1, 3, 'starting CHS'],
  [4, 1, 'OS type'],
  [5, 3, 'ending CHS'],
  [8, 4, 'starting LBA'],
  [12, 4, 'size in LBA'],
]);

/** The GPT header and an entry of its table, little endian (UEFI 2.10, sections 5.3.2 and 5.3.3). */
const gptHeader = fields([
  [0, 8, 'signature'],
  [8, 4, 'revision'],
  [12, 4, 'header size'],
  [16, 4, 'CRC32 of the header'],
  [20, 4, 'reserved'],
  [24, 8, 'my LBA'],
  [32, 8, 'alternate LBA'],
  [40, 8, 'first usable LBA'],
  [48, 8, 'last usable LBA'],
  [56, 16, 'disk GUID'],
  [72, 8, 'partition entry LBA'],
  [80, 4, 'number of partition entries'],
  [84, 4, 'size of a partition entry'],
  [88, 4, 'CRC32 of the partition entries'],
]);
const gptEntry = fields([
  [0, 16, 'partition type GUID'],
  [16, 16, 'unique partition GUID'],
  [32, 8, 'starting LBA'],
  [40, 8, 'ending LBA'],
  [48, 8, 'attributes'],
  [56, 72, 'partition name'],
]);

const tableAt = 446;
const rowBytes = 16;

export function isDisk(bytes: Bytes): boolean {
  return bytes.size > sector && bytes.read(510, 2).equals(Buffer.from([0x55, 0xaa]));
}

/**
 * The field of the partition tables, or the partition, that an offset lies in; `within` says what lies at an offset of
 * a partition.
 */
export function diskPlace(
  bytes: Bytes,
  offset: number,
  within: (partition: Bytes, offset: number) => readonly string[],
): readonly string[] {
  if (offset < sector) return ['master boot record', ...bootRecordField(offset)];
  const table = readGpt(bytes);
  if (table !== undefined) {
    const {entriesAt, count, entryBytes} = table;
    if (offset < 2 * sector) return ['GPT header', fieldAt(gptHeader, offset - sector)];
    if (offset >= entriesAt && offset < entriesAt + count * entryBytes)
      return gptRow(offset - entriesAt, entryBytes);
    const backup = bytes.size - sector;
    if (offset >= backup) return ['backup GPT header', fieldAt(gptHeader, offset - backup)];
    const backupEntries = backup - count * entryBytes;
    if (offset >= backupEntries) return ['backup GPT', ...gptRow(offset - backupEntries, entryBytes)];
  }
  const partitions = table?.partitions ?? readBootRecord(bytes);
  const found = partitions.find(({start, size}) => offset >= start && offset < start + size);
  if (found === undefined) return ['between partitions'];
  const {name, start, size} = found;
  const inside = within(stretch(bytes, start, size), offset - start);
  return [name, ...(inside.length === 0 ? [`offset ${String(offset - start)}`] : inside)];
}

interface Partition {
  readonly name: string;
  readonly start: number;
  readonly size: number;
}

function bootRecordField(offset: number): readonly string[] {
  if (offset < tableAt || offset >= tableAt + 4 * rowBytes) return [fieldAt(bootRecord, offset)];
  const row = Math.floor((offset - tableAt) / rowBytes);
  return [`partition ${String(row + 1)}`, fieldAt(bootPartition, (offset - tableAt) % rowBytes)];
}

function gptRow(at: number, entryBytes: number): readonly string[] {
  return [`GPT entry ${String(Math.floor(at / entryBytes) + 1)}`, fieldAt(gptEntry, at % entryBytes)];
}

function readGpt(bytes: Bytes):
  | {
      readonly entriesAt: number;
      readonly count: number;
      readonly entryBytes: number;
      readonly partitions: readonly Partition[];
    }
  | undefined {
  const head = bytes.read(sector, sector);
  if (head.length < sector || head.toString('latin1', 0, 8) !== 'EFI PART') return undefined;
  const entriesAt = Number(head.readBigUInt64LE(72)) * sector;
  const count = Math.min(head.readUInt32LE(80), 1024);
  const entryBytes = Math.max(128, head.readUInt32LE(84));
  const rows = bytes.read(entriesAt, count * entryBytes);
  const partitions: Partition[] = [];
  for (let at = 0; at + entryBytes <= rows.length; at += entryBytes) {
    const row = rows.subarray(at, at + entryBytes);
    if (row.subarray(0, 16).every((byte) => byte === 0)) continue;
    const label = row.toString('utf16le', 56, 128).replace(/\0.*$/s, '');
    const first = Number(row.readBigUInt64LE(32));
    const last = Number(row.readBigUInt64LE(40));
    const number = String(at / entryBytes + 1);
    partitions.push({
      name: `partition ${number}${label === '' ? '' : ` (${label})`}`,
      start: first * sector,
      size: (last - first + 1) * sector,
    });
  }
  return {entriesAt, count, entryBytes, partitions};
}

function readBootRecord(bytes: Bytes): readonly Partition[] {
  const head = bytes.read(0, sector);
  return [0, 1, 2, 3].flatMap((row) => {
    const at = tableAt + row * rowBytes;
    const size = head.readUInt32LE(at + 12) * sector;
    const start = head.readUInt32LE(at + 8) * sector;
    return size === 0 ? [] : [{name: `partition ${String(row + 1)}`, start, size}];
  });
}
