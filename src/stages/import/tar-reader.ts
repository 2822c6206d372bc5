import {ByteReader} from './byte-reader.ts';
import {ImportError, limits, plainEntryPath, shownPath, type TreeEntry} from './entry.ts';

const blockBytes = 512;
/** Of all extended headers of one entry, and of the global ones of an archive. */
const largestExtensionBytes = 1 << 20;

/**
 * Reads any tar archive of a root: ustar and pax (pax(1)), GNU's long names and numbers (tar's manual, "Basic Tar
 * Format"), and what came before. Sparse files and archives in several volumes are refused. Owners count by number.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TreeEntry> {
  const bytes = new ByteReader(source);
  let global: Fields = new Map();
  let next: Fields = new Map();
  const extended = {own: 0, global: 0};
  for (;;) {
    const block = await bytes.take(blockBytes);
    if (block === undefined || block.every((byte) => byte === 0)) {
      // What follows the end is padding; a program that writes to a pipe wants it read.
      await bytes.drain();
      return;
    }
    const header = parseHeader(block);
    if ('xLK'.includes(header.type)) extended.own += header.size;
    if (header.type === 'g') extended.global += header.size;
    if (Math.max(extended.own, extended.global) > largestExtensionBytes)
      throw new ImportError('An extended header of it is too large');
    switch (header.type) {
      case 'x':
      case 'g': {
        const fields = paxFields(await extension(bytes, header));
        if (header.type === 'g') global = new Map([...global, ...fields]);
        else next = new Map([...next, ...fields]);
        break;
      }
      case 'L':
      case 'K': {
        const text = (await extension(bytes, header)).toString('latin1').replace(/\0.*$/s, '');
        next = new Map(next).set(header.type === 'L' ? 'path' : 'linkpath', text);
        break;
      }
      default: {
        const size = sizeOf(header, next);
        const content = bytes.stream(size);
        yield entryOf({...header, size}, {fields: new Map([...global, ...next]), content});
        next = new Map();
        extended.own = 0;
        await content.drain();
        await bytes.passOver(padding(size));
      }
    }
  }
}

/** Records of an extended header by name, as latin1 text of their bytes. */
type Fields = ReadonlyMap<string, string>;

interface Header {
  readonly name: string;
  readonly linkName: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
}

function parseHeader(block: Buffer): Header {
  if (number(block, 148, 8) !== checksum(block))
    throw new ImportError('It is no tar archive, or a header of it is damaged');
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    linkName: text(block, 157, 100),
    type: block.toString('latin1', 156, 157),
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: number(block, 136, 12),
  };
}

function entryOf(
  header: Header,
  {fields, content}: {readonly fields: Fields; readonly content: AsyncIterable<Buffer>},
): TreeEntry {
  const written = fields.get('path') ?? header.name;
  if (header.type === 'S' || [...fields.keys()].some((name) => name.startsWith('GNU.sparse.')))
    throw new ImportError(`${shownPath(written)} is stored as a sparse file, which is not read`, {
      hint: 'Make the archive without --sparse',
    });
  const type = types[header.type];
  if (type === undefined)
    throw new ImportError(`${shownPath(written)} is of a kind that is not known: ${shownPath(header.type)}`);
  const path = plainEntryPath(written);
  const isFolder = type === 'folder' || (type === 'file' && header.size === 0 && written.endsWith('/'));
  const target = fields.get('linkpath') ?? header.linkName;
  return {
    path,
    type: isFolder ? 'folder' : type,
    mode: header.mode & 0o7777,
    uid: ownerId(fields.get('uid'), header.uid),
    gid: ownerId(fields.get('gid'), header.gid),
    mtime: timeOf(fields.get('mtime'), header.mtime),
    ...(type === 'symlink' ? {target} : {}),
    ...(type === 'hardlink' ? {target: plainEntryPath(target)} : {}),
    xattrs: xattrsOf(fields),
    content,
  };
}

const types: Readonly<Record<string, TreeEntry['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'special',
  '4': 'special',
  '5': 'folder',
  '6': 'special',
};

/** Types whose size says nothing of bytes that follow. */
const withoutContent: ReadonlySet<string> = new Set(['1', '2', '3', '4', '5', '6']);

function sizeOf({type, size}: Header, fields: Fields): number {
  if (withoutContent.has(type)) return 0;
  const said = Number(fields.get('size') ?? size);
  if (!Number.isSafeInteger(said) || said < 0 || said > limits.contentBytes)
    throw new ImportError('A header of it is damaged');
  return said;
}

/** pax(1): seconds with a fraction, before the epoch too. */
function timeOf(field: string | undefined, plain: number): number {
  const seconds = Number(field ?? plain);
  if (!Number.isFinite(seconds)) throw new ImportError('A time in it is no number');
  return seconds;
}

function ownerId(field: string | undefined, plain: number): number {
  const id = Number(field ?? plain);
  if (!Number.isInteger(id) || id < 0 || id > 0xfffffffe)
    throw new ImportError('An owner in it is no number');
  return id;
}

/** As tar --xattrs, Docker and bsdtar write them. */
function xattrsOf(fields: Fields): ReadonlyMap<string, Buffer> {
  const prefix = 'SCHILY.xattr.';
  return new Map(
    [...fields].flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), Buffer.from(value, 'latin1')]] : [],
    ),
  );
}

async function extension(bytes: ByteReader, {size}: Header): Promise<Buffer> {
  const body = await bytes.take(size);
  await bytes.passOver(padding(size));
  if (body === undefined || body.length < size) throw new ImportError('It ends too early');
  return body;
}

/** `<length> <name>=<value>\n`, where the length counts itself. */
function paxFields(body: Buffer): Fields {
  const fields = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const blank = body.indexOf(0x20, at);
    const length = Number(body.toString('latin1', at, blank === -1 ? at : blank));
    const record = body.subarray(blank + 1, at + length - 1);
    const equals = record.indexOf(0x3d);
    if (!Number.isInteger(length) || length < 5 || at + length > body.length || equals < 1)
      throw new ImportError('An extended header of it is damaged');
    fields.set(record.toString('latin1', 0, equals), record.toString('latin1', equals + 1));
    at += length;
  }
  return fields;
}

/** Whether a file begins with a header of an archive. */
export function isTarHeader(block: Buffer): boolean {
  const digits = block
    .toString('latin1', 148, 156)
    .replace(/[\0 ]+$/, '')
    .trim();
  return (
    block.length >= blockBytes && /^[0-7]+$/.test(digits) && Number.parseInt(digits, 8) === checksum(block)
  );
}

function text(block: Buffer, offset: number, length: number): string {
  const field = block.toString('latin1', offset, offset + length);
  const end = field.indexOf('\0');
  return end === -1 ? field : field.slice(0, end);
}

/** Octal digits, or as GNU tar writes large ones: the first bit set, then a big-endian number. */
function number(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if (first >= 0x80) {
    let value = first & 0x3f;
    if (first === 0xff) throw new ImportError('A number in a header of it is negative');
    for (let at = 1; at < length; at += 1) value = value * 256 + (block[offset + at] ?? 0);
    if (!Number.isSafeInteger(value)) throw new ImportError('A header of it is damaged');
    return value;
  }
  const digits = block
    .toString('latin1', offset, offset + length)
    .replace(/\0.*$/s, '')
    .trim();
  if (!/^[0-7]*$/.test(digits)) throw new ImportError('It is no tar archive, or a header of it is damaged');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function checksum(block: Buffer): number {
  return block
    .subarray(0, blockBytes)
    .reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 32 : byte), 0);
}

function padding(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}
