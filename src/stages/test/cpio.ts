/**
 * Writes a cpio archive in the "newc" format that the kernel unpacks as an initial RAM disk
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Same entries, same bytes: owner root, time zero.
 */
export type CpioEntry =
  | {readonly kind: 'folder'; readonly path: string}
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly content: string | Uint8Array;
      readonly mode: number;
    }
  | {readonly kind: 'link'; readonly path: string; readonly target: string};

/** The archive of these entries and of every folder above them, padded as the kernel wants it. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const all = [...parentFolders(entries), ...entries].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const members = all.map((entry, index) => member(entry, index + 1));
  return padded([...members, header({path: 'TRAILER!!!', mode: 0, size: 0, inode: 0, links: 1})], 512);
}

function parentFolders(entries: readonly CpioEntry[]): readonly CpioEntry[] {
  const given = new Set(entries.map(({path}) => path));
  const folders = new Set<string>();
  for (const {path} of entries) {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) folders.add(parts.slice(0, depth).join('/'));
  }
  return [...folders].filter((path) => !given.has(path)).map((path) => ({kind: 'folder', path}));
}

function member(entry: CpioEntry, inode: number): Buffer {
  const {path} = entry;
  switch (entry.kind) {
    case 'folder':
      return header({path, mode: 0o040755, size: 0, inode, links: 2});
    case 'file':
      return withContent({path, mode: 0o100000 | entry.mode, inode}, Buffer.from(entry.content));
    case 'link':
      return withContent({path, mode: 0o120777, inode}, Buffer.from(entry.target));
  }
}

interface Member {
  readonly path: string;
  readonly mode: number;
  readonly inode: number;
}

function withContent(about: Member, content: Buffer): Buffer {
  return padded([header({...about, size: content.length, links: 1}), content], 4);
}

function header({
  path,
  mode,
  inode,
  size,
  links,
}: Member & {readonly size: number; readonly links: number}): Buffer {
  const name = Buffer.from(`${path}\0`);
  const owner = [0, 0];
  const time = 0;
  const devices = [0, 0, 0, 0];
  const check = 0;
  const fields = [inode, mode, ...owner, links, time, size, ...devices, name.length, check];
  const text = `070701${fields.map((field) => field.toString(16).toUpperCase().padStart(8, '0')).join('')}`;
  return padded([Buffer.from(text), name], 4);
}

function padded(parts: readonly Buffer[], multiple: number): Buffer {
  const whole = Buffer.concat(parts);
  return Buffer.concat([whole, Buffer.alloc((multiple - (whole.length % multiple)) % multiple)]);
}
