import {RemoteError} from '../../src/http/error.ts';
import {formatCount} from '../../src/ui/format.ts';

/** Files from this size on are looked through for holes. */
const largeBytes = 16 * 1024 * 1024;

/** Directory, file, symbolic link, hard link, character and block device, pipe. */
const knownTypes = 'd-lhcbp';

/**
 * Reads the lines of `tar --list --verbose --numeric-owner --quoting-style=c`, and throws `RemoteError` at the first
 * entry that could write outside the folder that an archive is unpacked in: an absolute path, `..`, a path through a
 * link of the same archive, a hard link to what is not in it, a name twice. GNU tar refuses most of these by itself;
 * this is said before anything is written.
 */
export class ListingCheck {
  readonly #types = new Map<string, string>();
  readonly #large: Buffer[] = [];

  /** Paths of large regular files, relative to the archive. */
  get largeFiles(): readonly Buffer[] {
    return this.#large;
  }

  line(line: string): void {
    const match =
      /^(?<type>.)\S+ +\d+\/\d+ +(?<size>[\d,]+) \S+ \S+ (?<name>"(?:[^"\\]|\\.)*")(?<rest>.*)$/.exec(line);
    const {type = '', size = '', name = '', rest = ''} = match?.groups ?? {};
    if (match === null || !knownTypes.includes(type))
      throw refused(line, 'it is of a kind that fgimage does not unpack');
    const path = unquote(name).replace(/\/$/, '');
    this.#requireInside(path, name);
    if (this.#types.has(path)) throw refused(name, 'it is there twice');
    if (type === 'h') this.#requireTarget(name, rest);
    this.#types.set(path, type);
    if (type === '-' && Number(size) >= largeBytes) this.#large.push(Buffer.from(path, 'latin1'));
  }

  #requireInside(path: string, shown: string): void {
    const parts = path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..')) {
      throw refused(shown, 'its path leads out of the folder');
    }
    for (let depth = 1; depth < parts.length; depth += 1) {
      const above = this.#types.get(parts.slice(0, depth).join('/'));
      if (above !== undefined && above !== 'd')
        throw refused(shown, 'its path leads through what is no folder');
    }
  }

  #requireTarget(name: string, rest: string): void {
    const target = /^ link to (?<target>".*")$/.exec(rest)?.groups?.['target'];
    const type = target === undefined ? undefined : this.#types.get(unquote(target));
    if (type === undefined || type === 'd') throw refused(name, 'it is a link to what is not in the archive');
  }
}

function refused(entry: string, why: string): RemoteError {
  const shown =
    entry.length > 200 ? `${entry.slice(0, 200)}… (${formatCount(entry.length, 'character')})` : entry;
  return new RemoteError('damaged', `An object has an entry that is refused, ${shown}: ${why}`);
}

const escapes: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** The bytes, as latin1 text, of a name that tar quoted like C does. */
function unquote(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replaceAll(/\\([0-7]{3}|.)/g, (_, code: string) =>
      code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (escapes[code] ?? code),
    );
}
