import {type Bytes, fieldAt, fields} from './bytes.ts';

/** The header, big endian (QEMU, docs/interop/qcow2.rst). */
const header = fields([
  [0, 4, 'magic'],
  [4, 4, 'version'],
  [8, 8, 'backing_file_offset'],
  [16, 4, 'backing_file_size'],
  [20, 4, 'cluster_bits'],
  [24, 8, 'size'],
  [32, 4, 'crypt_method'],
  [36, 4, 'l1_size'],
  [40, 8, 'l1_table_offset'],
  [48, 8, 'refcount_table_offset'],
  [56, 4, 'refcount_table_clusters'],
  [60, 4, 'nb_snapshots'],
  [64, 8, 'snapshots_offset'],
  [72, 8, 'incompatible_features'],
  [80, 8, 'compatible_features'],
  [88, 8, 'autoclear_features'],
  [96, 4, 'refcount_order'],
  [100, 4, 'header_length'],
  [104, 1, 'compression_type'],
]);

/** Bits 9 to 55 of an entry of a table: where in the file it leads. */
const offsetBits = 0x00fffffffffffe00n;

export function isQcow2(bytes: Bytes): boolean {
  return bytes.read(0, 4).equals(Buffer.from('QFI\u00fb', 'latin1'));
}

/** The field of the header, the table, or the stretch of the virtual disk that an offset belongs to. */
export function qcow2Place(bytes: Bytes, offset: number): readonly string[] {
  const head = bytes.read(0, 112);
  const headerBytes = head.readUInt32BE(4) >= 3 ? head.readUInt32BE(100) : 72;
  if (offset < headerBytes) return ['header', fieldAt(header, offset)];
  const cluster = 1 << head.readUInt32BE(20);
  if (offset < cluster) return ['header extensions'];
  const l1 = {start: offsetAt(head, 40), size: head.readUInt32BE(36) * 8};
  const refcounts = {start: offsetAt(head, 48), size: head.readUInt32BE(56) * cluster};
  const isIn = ({start, size}: {readonly start: number; readonly size: number}): boolean =>
    offset >= start && offset < start + size;
  if (isIn(l1)) return ['L1 table', `entry ${String(Math.floor((offset - l1.start) / 8))}`];
  if (isIn(refcounts))
    return ['refcount table', `entry ${String(Math.floor((offset - refcounts.start) / 8))}`];
  const block = entries(bytes, refcounts).findIndex((start) => start !== 0 && isIn({start, size: cluster}));
  if (block !== -1) return [`refcount block ${String(block)}`];
  const table = entries(bytes, l1).findIndex((start) => start !== 0 && isIn({start, size: cluster}));
  return table === -1 ? ['data clusters'] : [`L2 table ${String(table)}`];
}

function entries(
  bytes: Bytes,
  {start, size}: {readonly start: number; readonly size: number},
): readonly number[] {
  const table = bytes.read(start, size);
  return Array.from({length: Math.floor(table.length / 8)}, (_, index) => offsetAt(table, index * 8));
}

function offsetAt(buffer: Buffer, at: number): number {
  return Number(buffer.readBigUInt64BE(at) & offsetBits);
}
