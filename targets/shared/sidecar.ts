import {randomUUID} from 'node:crypto';
import {link, lstat, open, readFile, rename, rm} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {z} from 'zod';
import {isErrno} from '../../src/errors.ts';
import {markNames} from '../registrar.ts';

/** Names of files in the folder of the sidecar, nothing that leads out of it. */
const plainName = z.string().refine((name) => name === basename(name) && !['', '.', '..'].includes(name));

const sidecarSchema = z.object({
  [markNames.digest]: z.string(),
  [markNames.lineage]: z.string(),
  name: z.string(),
  state: z.enum(['copying', 'ready']),
  /** The registered file first. */
  files: z.array(
    z.object({name: plainName, size_bytes: z.int(), sha256: z.string(), modified_ms: z.number()}),
  ),
  registered_at: z.iso.datetime(),
  deprecated: z.boolean().exactOptional(),
});

/**
 * What fgimage says of a file that it put into a folder, in `<file>.fgimage.json` beside it: whose it is, and what its
 * bytes are to be. Files without one are somebody else's.
 */
export type Sidecar = z.infer<typeof sidecarSchema>;

export const sidecarSuffix = '.fgimage.json';

/** A sidecar; undefined where there is none, or what is there says nothing that we understand. */
export async function readSidecar(path: string): Promise<Sidecar | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    const read = sidecarSchema.safeParse(JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}

export function sidecarText(sidecar: Sidecar): string {
  return `${JSON.stringify(sidecar, undefined, 2)}\n`;
}

export interface WriteOptions {
  /** Octal, four digits. */
  readonly permissions: string;
  /** Whether what is at the path may be replaced; else a file there is an EEXIST error. */
  readonly replace: boolean;
}

/** Writes a small file in one step: a reader sees all of it or none, after a power cut too. */
export async function writeWhole(path: string, text: string, options: WriteOptions): Promise<void> {
  const part = join(dirname(path), `.${basename(path)}.${randomUUID().slice(0, 8)}`);
  try {
    {
      await using file = await open(part, 'wx', 0o600);
      await file.writeFile(text);
      await file.chmod(Number.parseInt(options.permissions, 8));
      await file.sync();
    }
    await place(part, path, options);
  } finally {
    await rm(part, {force: true});
  }
}

/** Gives a written file its name. */
export async function place(
  part: string,
  path: string,
  {replace}: Pick<WriteOptions, 'replace'>,
): Promise<void> {
  if (replace || !(await linked(part, path))) await rename(part, path);
  else await rm(part);
  await syncFolder(dirname(path));
}

/** Whether the file has its name now, which nobody had before; false where the file system has no hard links. */
async function linked(part: string, path: string): Promise<boolean> {
  try {
    await link(part, path);
    return true;
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw error;
    if (await exists(path)) throw existsError(path);
    return false;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

function existsError(path: string): Error {
  return Object.assign(new Error(`EEXIST: file already exists, ${path}`), {code: 'EEXIST'});
}

/** Names are in the folder's own blocks: without this they may be gone after a power cut. */
async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync().catch((error: unknown) => {
    // Some network file systems do not sync folders.
    if (!isErrno(error, 'EINVAL', 'ENOTSUP')) throw error;
  });
}
