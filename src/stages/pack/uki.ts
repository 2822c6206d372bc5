import {closeSync, fstatSync, openSync, readSync, writeSync} from 'node:fs';

/**
 * A unified kernel image (uapi-group.org, UKI specification): systemd's stub with the kernel, its initial RAM disk and the
 * command line as further sections. Written here, as objcopy(1) gives other bytes in each release.
 */
export interface UnifiedKernel {
  readonly stub: Buffer;
  /** In this order; `file` is read in pieces. The kernel comes last: it may need more room than it has bytes. */
  readonly sections: readonly UkiSection[];
}

export type UkiSection =
  | {readonly name: string; readonly bytes: Buffer}
  | {readonly name: string; readonly file: string};

/** Microsoft's PE format: COFF file header, optional header PE32+, section headers. */
const peOffsetAt = 0x3c;
const coff = {sections: 6, symbolTable: 12, symbols: 16, optionalSize: 20, bytes: 24} as const;
const optional = {
  initialized: 8,
  sectionAlignment: 32,
  fileAlignment: 36,
  imageSize: 56,
  headersSize: 60,
  checkSum: 64,
} as const;
const section = {virtualSize: 8, address: 12, rawSize: 16, rawAt: 20, flags: 36, bytes: 40} as const;
/** IMAGE_SCN_CNT_INITIALIZED_DATA and IMAGE_SCN_MEM_READ. */
const dataFlags = 0x4000_0040;
/** What the kernel reads in place lies on a page. */
const pageBytes = 4096;

/** Writes the image to a path. */
export function writeUnifiedKernel(path: string, {stub, sections}: UnifiedKernel): void {
  const sizes = sections.map(sizeOf);
  const {head, body, offsets} = placeSections(
    stub,
    sections.map(({name}, index) => ({name, size: sizes[index] ?? 0})),
  );
  const file = openSync(path, 'w');
  try {
    writeSync(file, head, 0, head.length, 0);
    writeSync(file, body, 0, body.length, head.length);
    for (const [index, one] of sections.entries()) {
      const at = offsets[index] ?? 0;
      if ('bytes' in one) writeSync(file, one.bytes, 0, one.bytes.length, at);
      else copyInto(file, at, one.file);
    }
    const end = offsets.at(-1) ?? 0;
    // The last section is as long as its header says.
    const last = align(sizes.at(-1) ?? 0, fileAlignmentOf(stub));
    if (last > (sizes.at(-1) ?? 0)) writeSync(file, Buffer.alloc(1), 0, 1, end + last - 1);
  } finally {
    closeSync(file);
  }
}

/** The stub with headers for further sections, and where in the file their bytes go. */
export function placeSections(
  stub: Buffer,
  sections: readonly {readonly name: string; readonly size: number}[],
): {readonly head: Buffer; readonly body: Buffer; readonly offsets: readonly number[]} {
  const pe = stub.readUInt32LE(peOffsetAt);
  if (stub.toString('latin1', pe, pe + 4) !== 'PE\0\0')
    throw new Error('The stub of systemd-boot is no PE file');
  const optionalAt = pe + coff.bytes;
  const count = stub.readUInt16LE(pe + coff.sections);
  const tableAt = optionalAt + stub.readUInt16LE(pe + coff.optionalSize);
  const sectionAlignment = Math.max(pageBytes, stub.readUInt32LE(optionalAt + optional.sectionAlignment));
  const fileAlignment = fileAlignmentOf(stub);
  const oldHead = stub.readUInt32LE(optionalAt + optional.headersSize);
  const headBytes = Math.max(
    oldHead,
    align(tableAt + (count + sections.length) * section.bytes, fileAlignment),
  );
  const moved = headBytes - oldHead;
  const head = Buffer.alloc(headBytes);
  stub.copy(head, 0, 0, tableAt + count * section.bytes);

  let address = 0;
  for (let index = 0; index < count; index += 1) {
    const at = tableAt + index * section.bytes;
    const raw = head.readUInt32LE(at + section.rawAt);
    if (raw !== 0) head.writeUInt32LE(raw + moved, at + section.rawAt);
    const end = head.readUInt32LE(at + section.address) + head.readUInt32LE(at + section.virtualSize);
    address = Math.max(address, align(end, sectionAlignment));
  }
  const body = Buffer.alloc(align(stub.length - oldHead, fileAlignment));
  stub.copy(body, 0, oldHead);
  let rawAt = headBytes + body.length;
  let initialized = head.readUInt32LE(optionalAt + optional.initialized);
  const offsets = sections.map(({name, size}, index) => {
    const at = tableAt + (count + index) * section.bytes;
    const rawSize = align(size, fileAlignment);
    head.write(name, at, 8, 'latin1');
    head.writeUInt32LE(size, at + section.virtualSize);
    head.writeUInt32LE(address, at + section.address);
    head.writeUInt32LE(rawSize, at + section.rawSize);
    head.writeUInt32LE(rawAt, at + section.rawAt);
    head.writeUInt32LE(dataFlags, at + section.flags);
    const placed = rawAt;
    rawAt += rawSize;
    initialized += rawSize;
    address = align(address + size, sectionAlignment);
    return placed;
  });
  head.writeUInt16LE(count + sections.length, pe + coff.sections);
  head.writeUInt32LE(0, pe + coff.symbolTable);
  head.writeUInt32LE(0, pe + coff.symbols);
  head.writeUInt32LE(initialized, optionalAt + optional.initialized);
  head.writeUInt32LE(address, optionalAt + optional.imageSize);
  head.writeUInt32LE(headBytes, optionalAt + optional.headersSize);
  head.writeUInt32LE(0, optionalAt + optional.checkSum);
  return {head, body, offsets};
}

function fileAlignmentOf(stub: Buffer): number {
  return stub.readUInt32LE(stub.readUInt32LE(peOffsetAt) + coff.bytes + optional.fileAlignment);
}

function align(size: number, unit: number): number {
  return Math.ceil(size / unit) * unit;
}

function sizeOf(one: UkiSection): number {
  if ('bytes' in one) return one.bytes.length;
  const file = openSync(one.file, 'r');
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

function copyInto(target: number, at: number, path: string): void {
  const file = openSync(path, 'r');
  const piece = Buffer.alloc(1 << 20);
  try {
    for (let done = 0; ; ) {
      const count = readSync(file, piece, 0, piece.length, done);
      if (count === 0) return;
      writeSync(target, piece, 0, count, at + done);
      done += count;
    }
  } finally {
    closeSync(file);
  }
}
