import {createHash, randomBytes} from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {FgError} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import type {Image} from '../../src/spec/image.ts';
import {openRegistrar} from '../../targets/ec2/register.ts';
import type {Artifact, CreateProgress, Registrar} from '../../targets/registrar.ts';

export const ec2Region = 'eu-central-1';
const blockBytes = 524_288;

export interface SampleDisk {
  readonly artifact: Artifact;
  readonly digest: string;
  readonly path: string;
}

/** A raw disk with holes: random data in the blocks that are named, nothing in the others. */
export function sampleDisk(folder: string, sizeBytes: number, blocks: readonly number[]): SampleDisk {
  const path = writeSparse(folder, sizeBytes, blocks);
  const digest = digestOfFile(path);
  return {artifact: sampleDiskAt(folder, digest), digest, path};
}

export function writeSparse(folder: string, sizeBytes: number, blocks: readonly number[]): string {
  mkdirSync(folder, {recursive: true});
  const path = join(folder, 'disk.raw');
  writeFileSync(path, '');
  truncateSync(path, sizeBytes);
  const file = openSync(path, 'r+');
  for (const index of blocks) {
    const at = index * blockBytes;
    // Not from the block's beginning, and not to its end.
    const data = randomBytes(Math.min(blockBytes, sizeBytes - at) - 2000);
    writeSync(file, data, 0, data.length, at + 1000);
  }
  closeSync(file);
  return path;
}

/** The artifact of a disk that was made before. */
export function sampleDiskAt(folder: string, sha256: string): Artifact {
  const {size: sizeBytes} = statSync(join(folder, 'disk.raw'));
  const files = [{path: 'disk.raw', sizeBytes, sha256}];
  return {folder, file: 'disk.raw', format: 'raw', files, virtualSizeBytes: sizeBytes};
}

/** SHA-256 of the first bytes of a file. */
export function digestOfFile(path: string, sizeBytes = Number.POSITIVE_INFINITY): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(2 ** 22);
  const file = openSync(path, 'r');
  for (let left = sizeBytes; left > 0; ) {
    const read = readSync(file, piece, 0, Math.min(piece.length, left), null);
    if (read === 0) break;
    hash.update(piece.subarray(0, read));
    left -= read;
  }
  closeSync(file);
  return hash.digest('hex');
}

export interface Opened {
  readonly digest: string;
  readonly register?: Readonly<Record<string, unknown>>;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly name?: string;
  readonly folder: string;
  readonly signal?: AbortSignal;
}

export const lineage = 'project/web/ec2';

/** A registrar as src/register opens it. Credentials and endpoints are in the environment. */
export async function openEc2Registrar(opened: Opened): Promise<Registrar> {
  const {digest, register = {}, options = {}, folder} = opened;
  const {name = `web-${digest.slice(0, 12)}`, signal = new AbortController().signal} = opened;
  return openRegistrar({
    image: {name: 'web', os: {release: 'bookworm', architecture: 'amd64'}} as Image,
    target: 'ec2',
    options: {...options, register: withoutUndefined({region: ec2Region, ...register})} as never,
    name,
    mark: {digest, lineage},
    projectDir: folder,
    env: {...process.env, FGIMAGE_CATALOG: join(folder, 'catalog.db')},
    signal,
    warn: () => undefined,
  });
}

export interface Progress extends CreateProgress {
  readonly ids: string[];
  readonly messages: string[];
}

export function progress(): Progress {
  const ids: string[] = [];
  const messages: string[] = [];
  return {
    ids,
    messages,
    begun: (id) => void ids.push(id),
    report: (message) => {
      if (messages.at(-1) !== message) messages.push(message);
    },
  };
}

/** How many of the entries begin with this. */
export function countOf(calls: readonly string[], call: string): number {
  return calls.filter((one) => one === call).length;
}

/** The only one there is. */
export function only<T>(all: Iterable<T>): T {
  const [one, ...others] = all;
  if (one === undefined || others.length > 0)
    throw new Error(`There are ${String([...all].length)}, not one`);
  return one;
}

/** What a call is refused with, as a user reads it. */
export async function troubleOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof FgError) return `${error.code}: ${error.message} | ${error.hint ?? ''}`;
    if (error instanceof RemoteError) return `${error.kind}: ${error.message} | ${error.hint ?? ''}`;
    throw error;
  }
  return 'no trouble';
}

function withoutUndefined(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
