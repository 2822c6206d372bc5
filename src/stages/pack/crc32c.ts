/**
 * CRC-32C (Castagnoli; RFC 3720, appendix B.4), eight bytes at a time. Without the inversions at start and end, which each
 * file system places differently.
 */
export function crc32c(seed: number, data: Uint8Array): number {
  let crc = seed;
  const whole = data.length - (data.length % 8);
  let at = 0;
  for (; at < whole; at += 8) {
    crc ^= word(data, at);
    const next = word(data, at + 4);
    crc =
      entry(7, crc) ^
      entry(6, crc >>> 8) ^
      entry(5, crc >>> 16) ^
      entry(4, crc >>> 24) ^
      entry(3, next) ^
      entry(2, next >>> 8) ^
      entry(1, next >>> 16) ^
      entry(0, next >>> 24);
  }
  for (; at < data.length; at += 1) crc = entry(0, crc ^ (data[at] ?? 0)) ^ (crc >>> 8);
  return crc >>> 0;
}

/** Of a block with both inversions, as most formats hold it. */
export function invertedCrc32c(data: Uint8Array): number {
  return ~crc32c(0xffff_ffff, data) >>> 0;
}

const tables = makeTables();

function word(data: Uint8Array, at: number): number {
  return (
    (data[at] ?? 0) | ((data[at + 1] ?? 0) << 8) | ((data[at + 2] ?? 0) << 16) | ((data[at + 3] ?? 0) << 24)
  );
}

function entry(table: number, byte: number): number {
  return tables[(table << 8) | (byte & 0xff)] ?? 0;
}

/** One table of 256 entries after the other: the first for the last of eight bytes. */
function makeTables(): Int32Array {
  const made = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
    made[byte] = crc;
  }
  for (let index = 256; index < made.length; index += 1) {
    const before = made[index - 256] ?? 0;
    made[index] = (made[before & 0xff] ?? 0) ^ (before >>> 8);
  }
  return made;
}
