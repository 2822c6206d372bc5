import {type Bytes, fieldAt, fields} from './bytes.ts';

/** A member's header: POSIX.1-2017, pax(1), "ustar Interchange Format". */
const header = fields([
  [0, 100, 'name'],
  [100, 8, 'mode'],
  [108, 8, 'uid'],
  [116, 8, 'gid'],
  [124, 12, 'size'],
  [136, 12, 'mtime'],
  [148, 8, 'chksum'],
  [156, 1, 'typeflag'],
  [157, 100, 'linkname'],
  [257, 6, 'magic'],
  [263, 2, 'version'],
  [265, 32, 'uname'],
  [297, 32, 'gname'],
  [329, 8, 'devmajor'],
  [337, 8, 'devminor'],
  [345, 155, 'prefix'],
]);

const block = 512;

export function isTar(bytes: Bytes): boolean {
  return bytes.read(257, 5).toString('latin1') === 'ustar';
}

/** The member and the field of its header, or its content, in which an offset lies. */
export function tarPlace(bytes: Bytes, offset: number): readonly string[] {
  let longName: string | undefined;
  for (let at = 0; at + block <= bytes.size; ) {
    const head = bytes.read(at, block);
    if (head.every((byte) => byte === 0)) break;
    const size = sizeOf(head);
    const type = String.fromCharCode(head[156] ?? 0);
    const content = at + block;
    const next = content + Math.ceil(size / block) * block;
    const name = longName ?? nameOf(head);
    // Extended headers speak of the member after them: pax ('x'), GNU tar ('L').
    const isExtended = type === 'x' || type === 'g' || type === 'L' || type === 'K';
    if (offset < next) {
      const member = isExtended
        ? `extended header ${printableName(nameOf(head))}`
        : `member ${printableName(name)}`;
      if (offset < content) return [member, fieldAt(header, offset - at)];
      return [member, offset < content + size ? `content, offset ${String(offset - content)}` : 'padding'];
    }
    if (type === 'x') longName = paxPath(bytes.read(content, size)) ?? longName;
    else if (type === 'L') longName = textOf(bytes.read(content, size));
    else if (!isExtended) longName = undefined;
    at = next;
  }
  return ['end of the archive'];
}

/** Octal, or base 256 where the first bit is set (GNU tar). */
function sizeOf(head: Buffer): number {
  const field = head.subarray(124, 136);
  if (((field[0] ?? 0) & 0x80) !== 0) return Number(field.readBigUInt64BE(4));
  return Number.parseInt(textOf(field).trim() || '0', 8);
}

function nameOf(head: Buffer): string {
  const prefix = textOf(head.subarray(345, 500));
  const name = textOf(head.subarray(0, 100));
  const isPosix = head.subarray(257, 263).toString('latin1') === 'ustar\0';
  return isPosix && prefix !== '' ? `${prefix}/${name}` : name;
}

/** Records of `<length> <keyword>=<value>\n`. */
function paxPath(content: Buffer): string | undefined {
  return /(?:^|\n)\d+ path=(?<path>[^\n]*)\n/.exec(content.toString('utf8'))?.groups?.['path'];
}

function textOf(field: Buffer): string {
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? field.length : end).toString('utf8');
}

function printableName(name: string): string {
  return name === '' ? 'without a name' : name;
}
