import {mkdirSync, mkdtempSync, readdirSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** An entry of an archive of the test. Names are latin1 text of bytes. */
export interface Member {
  readonly name: string;
  /** The type flag of a header; a file, where nothing is said. */
  readonly type?: string;
  readonly link?: string;
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly mtime?: number;
  /** Records of an extended header before it. */
  readonly pax?: Readonly<Record<string, string>>;
}

/** A tar archive that holds what is said, however wrong it is. Everything belongs to whoever runs the test. */
export function tarOf(members: readonly Member[]): Buffer {
  const parts = members.flatMap(({pax, content = '', ...member}) => {
    const body = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
    const records = Object.entries(pax ?? {}).map(([name, value]) => record(name, value));
    const extended = Buffer.from(records.join(''), 'latin1');
    return [
      ...(pax === undefined ? [] : [header({name: 'pax', type: 'x'}, extended.length), padded(extended)]),
      header(member, body.length),
      padded(body),
    ];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** A root that says that it is bookworm. */
export const osRelease: Member = {
  name: 'etc/os-release',
  content: 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
};

/** A folder for a test, with another beside it that nothing may touch. */
export function places(): {readonly project: string; readonly outside: string} {
  const folder = mkdtempSync(join(tmpdir(), 'fgimage-import-'));
  const [project, outside] = [join(folder, 'project'), join(folder, 'outside')];
  mkdirSync(project);
  mkdirSync(join(outside, 'inner'), {recursive: true});
  for (const name of ['hostname', 'inner/file']) writeFileSync(join(outside, name), 'alive');
  return {project, outside};
}

/** What is below a folder, sorted. */
export function below(folder: string): readonly string[] {
  return (readdirSync(folder, {recursive: true}) as string[]).sort();
}

/** Numbers from 0 to below 1 that are the same each time (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function record(name: string, value: string): string {
  const text = ` ${name}=${value}\n`;
  const digits = String(text.length).length;
  const length = text.length + digits;
  return `${String(String(length).length === digits ? length : length + 1)}${text}`;
}

function header({name, type = '0', link = '', mode = 0o755, mtime = 0}: Member, size: number): Buffer {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, '0'), at, 'latin1');
  };
  block.write(name, 0, 100, 'latin1');
  octal(mode, 100, 8);
  octal(process.getuid?.() ?? 0, 108, 8);
  octal(process.getgid?.() ?? 0, 116, 8);
  octal(size, 124, 12);
  octal(mtime, 136, 12);
  block.write(type, 156, 'latin1');
  block.write(link, 157, 100, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  checksum(block);
  return block;
}

/** Writes the sum of a header into it. */
export function checksum(block: Buffer): void {
  block.write(' '.repeat(8), 148, 'latin1');
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

function padded(body: Buffer): Buffer {
  return Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}
