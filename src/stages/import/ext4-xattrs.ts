import {damaged, type Ext4, type Inode} from './ext4-format.ts';

/** attributes.rst, "Attribute Name Indices"; access lists are stored in another form than they are set in. */
const prefixes: Readonly<Record<number, string>> = {1: 'user.', 4: 'trusted.', 6: 'security.', 7: 'system.'};
const magic = 0xea020000;

/** Extended attributes of an inode: those within it and those of its own block (attributes.rst). */
export function inodeXattrs(system: Ext4, inode: Inode): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  const start = 128 + inode.extraBytes;
  if (inode.extraBytes > 0 && start + 4 <= inode.raw.length && inode.raw.readUInt32LE(start) === magic)
    readEntries(inode.raw.subarray(start + 4), {first: 0, found});
  if (inode.xattrBlock !== 0) {
    const block = system.sharedBlock(inode.xattrBlock);
    if (block.readUInt32LE(0) !== magic) throw damaged('extended attributes');
    readEntries(block, {first: 32, found});
  }
  return found;
}

function readEntries(
  area: Buffer,
  {first, found}: {readonly first: number; readonly found: Map<string, Buffer>},
): void {
  for (let at = first; at + 16 <= area.length && area.readUInt32LE(at) !== 0; ) {
    const nameBytes = area.readUInt8(at);
    const prefix = prefixes[area.readUInt8(at + 1)];
    const offset = area.readUInt16LE(at + 2);
    const inode = area.readUInt32LE(at + 4);
    const size = area.readUInt32LE(at + 8);
    if (inode !== 0 || offset + size > area.length || at + 16 + nameBytes > area.length)
      throw damaged('extended attributes');
    const name = area.toString('latin1', at + 16, at + 16 + nameBytes);
    if (prefix !== undefined)
      found.set(`${prefix}${name}`, Buffer.from(area.subarray(offset, offset + size)));
    at += (16 + nameBytes + 3) & ~3;
  }
}
