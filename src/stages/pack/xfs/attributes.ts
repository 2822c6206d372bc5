import type {TreeXattr} from '../tree-archive.ts';

const flags = {root: 2, secure: 4} as const;

interface Attribute {
  readonly name: Buffer;
  readonly value: Buffer;
  readonly flags: number;
}

/** Extended attributes as they stand in an inode; empty where there are none. */
export function shortAttributes(xattrs: readonly TreeXattr[]): Buffer {
  const held = xattrs.map(attributeOf);
  if (held.length === 0) return Buffer.alloc(0);
  const rows = held.map(({name, value, flags: which}) =>
    Buffer.concat([Buffer.from([name.length, value.length & 0xff, which]), name, value]),
  );
  const body = Buffer.concat(rows);
  const head = Buffer.alloc(4);
  head.writeUInt16BE(head.length + body.length, 0);
  head[2] = rows.length;
  return Buffer.concat([head, body]);
}

/** Bytes for attributes beside which an inode has room for what it must hold. */
const mostAttributeBytes = 240;

/** Whether attributes fit into an inode. */
export function fitsInode(xattrs: readonly TreeXattr[]): boolean {
  return (
    shortAttributes(xattrs).length <= mostAttributeBytes &&
    xattrs.every((one) => attributeOf(one).value.length <= 255)
  );
}

/** In XFS the part before the first point is a flag, and ACLs have names and a form of their own. */
function attributeOf({name, value}: TreeXattr): Attribute {
  const acl = aclNames[name];
  if (acl !== undefined) return {name: Buffer.from(acl), value: aclValue(value), flags: flags.root};
  const at = name.indexOf('.');
  const space = name.slice(0, at);
  return {
    name: Buffer.from(name.slice(at + 1), 'latin1'),
    value,
    flags: space === 'security' ? flags.secure : space === 'trusted' ? flags.root : 0,
  };
}

const aclNames: Readonly<Record<string, string>> = {
  'system.posix_acl_access': 'SGI_ACL_FILE',
  'system.posix_acl_default': 'SGI_ACL_DEFAULT',
};

/** ACL_USER and ACL_GROUP: entries that name somebody. */
const named = new Set([2, 8]);

/** struct xfs_acl from what acl(5) is as an attribute: version, then tag, permissions and id of each entry. */
function aclValue(value: Buffer): Buffer {
  const count = Math.floor((value.length - 4) / 8);
  const made = Buffer.alloc(4 + count * 12);
  made.writeUInt32BE(count, 0);
  for (let index = 0; index < count; index += 1) {
    const from = 4 + index * 8;
    const to = 4 + index * 12;
    const tag = value.readUInt16LE(from);
    made.writeUInt32BE(tag, to);
    made.writeUInt32BE(named.has(tag) ? value.readUInt32LE(from + 4) : 0, to + 4);
    made.writeUInt16BE(value.readUInt16LE(from + 2), to + 8);
  }
  return made;
}
