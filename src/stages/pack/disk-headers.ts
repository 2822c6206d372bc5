import {closeSync, fstatSync, openSync, readSync, writeSync} from 'node:fs';
import type {DiskFormat} from '../../../targets/contract.ts';

/** What stands in the place of the random ids and the clock that qemu-img(1) puts into its headers. */
export interface HeaderIds {
  readonly uuid: string;
  /** Seconds since 1970. */
  readonly epoch: number;
}

/** Makes the header of a disk that qemu-img wrote depend on nothing but what is given. */
export function settleHeader(path: string, format: DiskFormat, ids: HeaderIds): void {
  const settle = settlers[format];
  if (settle === undefined) return;
  const file = openSync(path, 'r+');
  try {
    settle(file, ids);
  } finally {
    closeSync(file);
  }
}

const settlers: Readonly<Partial<Record<DiskFormat, (file: number, ids: HeaderIds) => void>>> = {
  vmdk: settleVmdk,
  vhd: settleVhd,
  vdi: settleVdi,
};

/** VMware's Virtual Disk Format 5.0: offset and length of the embedded descriptor, in sectors. */
const vmdk = {magic: 'KDMV', descriptorAt: 28, descriptorSectors: 36} as const;

/** The content id of the descriptor, a word of 32 bits in hexadecimal digits without leading zeros. */
function settleVmdk(file: number, {uuid}: HeaderIds): void {
  const head = read(file, 0, 512);
  if (head.toString('latin1', 0, 4) !== vmdk.magic) throw new Error('The disk is no VMDK');
  const at = Number(head.readBigUInt64LE(vmdk.descriptorAt)) * 512;
  const descriptor = read(file, at, Number(head.readBigUInt64LE(vmdk.descriptorSectors)) * 512);
  const text = descriptor.toString('latin1', 0, descriptor.indexOf(0));
  // All ones mean that there is no parent, and 0 and 1 are not used.
  const id = (Number.parseInt(uuid.slice(0, 7), 16) + 2).toString(16);
  const settled = Buffer.alloc(descriptor.length);
  settled.write(text.replace(/^CID=[0-9a-f]+$/m, `CID=${id}`), 'latin1');
  writeSync(file, settled, 0, settled.length, at);
}

/** Microsoft's Virtual Hard Disk Image Format Specification: the footer, big endian, its times from 2000. */
const vhd = {
  cookie: 'conectix',
  bytes: 512,
  time: 24,
  checksum: 64,
  uuid: 68,
  year2000: 946_684_800,
} as const;

function settleVhd(file: number, {uuid, epoch}: HeaderIds): void {
  const at = fstatSync(file).size - vhd.bytes;
  const footer = read(file, at, vhd.bytes);
  if (footer.toString('latin1', 0, 8) !== vhd.cookie) throw new Error('The disk is no VHD');
  footer.writeUInt32BE(Math.max(0, epoch - vhd.year2000), vhd.time);
  footer.write(uuid.replaceAll('-', ''), vhd.uuid, 16, 'hex');
  footer.writeUInt32BE(0, vhd.checksum);
  let sum = 0;
  for (const byte of footer) sum += byte;
  footer.writeUInt32BE(~sum >>> 0, vhd.checksum);
  writeSync(file, footer, 0, footer.length, at);
}

/** VirtualBox, VDICore.h: the ids of the image, and of the last change. */
const vdi = {signature: 0xbeda_107f, signatureAt: 0x40, image: 0x188, modified: 0x198} as const;

function settleVdi(file: number, {uuid}: HeaderIds): void {
  const head = read(file, 0, 512);
  if (head.readUInt32LE(vdi.signatureAt) !== vdi.signature) throw new Error('The disk is no VDI');
  for (const at of [vdi.image, vdi.modified]) head.write(uuid.replaceAll('-', ''), at, 16, 'hex');
  writeSync(file, head, 0, head.length, 0);
}

function read(file: number, at: number, length: number): Buffer {
  const data = Buffer.alloc(length);
  readSync(file, data, 0, length, at);
  return data;
}
