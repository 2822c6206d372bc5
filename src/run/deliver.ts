import {
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {digestFile} from '../../cache/tree.ts';
import {FgError, isErrno, isNoSpace} from '../errors.ts';
import {fail, ok, type Result} from '../result.ts';
import type {JsonObject, JsonValue} from '../spec/image.ts';

/** An artifact on its way from the cache to the user's folder. */
export interface Parcel {
  readonly image: string;
  readonly target: string;
  /** Digest of the pack stage's output. */
  readonly digest: string;
  /** What manifest.json says beside the files. */
  readonly manifest: JsonObject;
}

export interface Delivered {
  /** `<output>/<image>/<target>`, a link to the folder with the files. */
  readonly path: string;
  /** Whether anything had to be written. */
  readonly changed: boolean;
}

export interface ArtifactFile {
  readonly path: string;
  readonly size_bytes: number;
  readonly sha256: string;
}

/**
 * Puts an artifact where the user looks for it. `<output>/<image>/<target>` is a symbolic link into
 * `<output>/.builds`, replaced by rename(2): whoever opens it sees the old set or the new one, whole. The files are
 * copies (clones where the file system can): a guest that writes into its disk must not write into the cache. Each copy
 * is read again and compared with what was made: the failure is the first file in the cache that is not that.
 */
export function deliver(store: Store, output: string, parcel: Parcel): Result<Delivered, string> {
  const {path, builds, folder, link} = placesOf(output, parcel);
  const fresh = join(builds, `.${basename(folder)}.${String(process.pid)}`);
  const freshLink = join(dirname(path), `.${parcel.target}.${String(process.pid)}`);
  try {
    const delivered = deliveredSet(output, parcel);
    if (delivered !== undefined) {
      const text = manifestText(parcel, delivered.files);
      return ok({path, changed: text !== delivered.text && writeManifest(folder, text)});
    }
    for (const made of [builds, dirname(path)]) mkdirSync(made, {recursive: true});
    rmSync(fresh, {recursive: true, force: true});
    copyTree(store.treePath(parcel.digest), fresh);
    const files = artifactFiles(store, parcel.digest);
    const spoilt = files.find((file) => digestFile(join(fresh, file.path)) !== file.sha256);
    if (spoilt !== undefined) return fail(spoilt.path);
    writeManifest(fresh, manifestText(parcel, files));
    putInPlace(fresh, folder);
    const before = linkTarget(path);
    rmSync(freshLink, {force: true});
    symlinkSync(link, freshLink);
    renameSync(freshLink, path);
    // Only what was put there by fgimage is its to remove.
    if (before?.startsWith('../.builds/') === true && before !== link)
      rmSync(join(dirname(path), before), {recursive: true, force: true});
    return ok({path, changed: true});
  } catch (error) {
    throw deliveryError(error, {output, path});
  } finally {
    for (const left of [fresh, freshLink]) discard(left);
  }
}

/** Whether an artifact lies whole where the user looks for it, so that its content in the cache is not needed. */
export function isDelivered(output: string, parcel: Pick<Parcel, 'image' | 'target' | 'digest'>): boolean {
  return deliveredSet(output, parcel) !== undefined;
}

/** The text of manifest.json and the files of an artifact that lies whole where it belongs. */
function deliveredSet(
  output: string,
  parcel: Pick<Parcel, 'image' | 'target' | 'digest'>,
): {readonly text: string; readonly files: readonly ArtifactFile[]} | undefined {
  const {path, folder, link} = placesOf(output, parcel);
  return linkTarget(path) === link ? wholeSet(folder) : undefined;
}

function wholeSet(
  folder: string,
): {readonly text: string; readonly files: readonly ArtifactFile[]} | undefined {
  const told = readManifest(folder);
  const isWhole = told?.files.every(({path: name, size_bytes: size}) => {
    const stat = statSync(join(folder, name), {throwIfNoEntry: false});
    return stat?.size === size;
  });
  return isWhole === true ? told : undefined;
}

/** A set that is there and whole stays: another build has just put it there, and somebody may be reading it. */
function putInPlace(fresh: string, folder: string): void {
  const aside = `${fresh}.old`;
  for (;;) {
    try {
      renameSync(fresh, folder);
      return;
    } catch (error) {
      if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    }
    if (wholeSet(folder) !== undefined) return;
    try {
      renameSync(folder, aside);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    rmSync(aside, {recursive: true, force: true});
  }
}

/** An artifact as it was handed out: where its link leads, and the files there with their sizes. */
export interface DeliveredFiles {
  readonly path: string;
  readonly link: string;
  readonly files: readonly (readonly [path: string, sizeBytes: number])[];
}

/** What lies at `<output>/<image>/<target>`; undefined where another build is just changing it. */
export function deliveredFiles(path: string): DeliveredFiles | undefined {
  const link = linkTarget(path);
  const told = link === undefined ? undefined : wholeSet(path);
  if (link === undefined || told === undefined) return undefined;
  const files = told.files.map(({path: name, size_bytes: size}) => [name, size] as const);
  return {path, link, files: [...files, ['manifest.json', Buffer.byteLength(told.text)]]};
}

interface Places {
  readonly path: string;
  readonly builds: string;
  readonly folder: string;
  readonly link: string;
}

function placesOf(
  output: string,
  {image, target, digest}: Pick<Parcel, 'image' | 'target' | 'digest'>,
): Places {
  const builds = join(output, '.builds');
  const folder = join(builds, `${image}.${target}.${digest.slice(0, 16)}`);
  return {path: join(output, image, target), builds, folder, link: join('..', '.builds', basename(folder))};
}

/** The files of an object with their digests, as its manifest in the cache tells them. */
export function artifactFiles(store: Store, digest: string): readonly ArtifactFile[] {
  const lines = readFileSync(join(store.objectPath(digest), 'manifest'), 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('f '))
    .map((line) => {
      const [, , , , , sha256 = '', , escaped = ''] = line.split(' ');
      const path = decodeURIComponent(escaped);
      return {path, size_bytes: statSync(join(store.treePath(digest), path)).size, sha256};
    });
}

/** What manifest.json of an artifact that was handed out tells; undefined where that cannot be read. */
function readManifest(
  folder: string,
): {readonly text: string; readonly files: readonly ArtifactFile[]} | undefined {
  try {
    const text = readFileSync(join(folder, 'manifest.json'), 'utf8');
    const {files} = JSON.parse(text) as {readonly files?: readonly ArtifactFile[]};
    return files === undefined ? undefined : {text, files};
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}

function manifestText({manifest}: Parcel, files: readonly ArtifactFile[]): string {
  const told = files.map(({path, size_bytes, sha256}): JsonValue => ({path, size_bytes, sha256}));
  return `${JSON.stringify({...manifest, files: told}, undefined, 2)}\n`;
}

/** What a user can mend about the output folder is an `FgError`. */
function deliveryError(error: unknown, {output, path}: {output: string; path: string}): unknown {
  if (isNoSpace(error)) {
    return new FgError('NO_SPACE', `No space left for the artifact in ${output}`, {
      cause: error,
      hint: 'Free some space there, or name another folder with --output',
    });
  }
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'EEXIST')) {
    return new FgError(
      'OUTPUT_UNUSABLE',
      `Cannot write the artifact to ${path}: ${error instanceof Error ? error.message : ''}`,
      {cause: error, hint: 'Name a folder that you can write with --output'},
    );
  }
  return error;
}

function writeManifest(folder: string, text: string): boolean {
  const path = join(folder, 'manifest.json');
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return false;
  const fresh = `${path}.${String(process.pid)}`;
  writeFileSync(fresh, text);
  renameSync(fresh, path);
  return true;
}

function copyTree(from: string, to: string): void {
  mkdirSync(to, {recursive: true});
  for (const entry of readdirSync(from, {withFileTypes: true})) {
    if (entry.isDirectory()) copyTree(join(from, entry.name), join(to, entry.name));
    else copyFileSync(join(from, entry.name), join(to, entry.name), constants.COPYFILE_FICLONE);
  }
}

/** Removes what is left of an attempt; where nothing could be made, nothing is there. */
function discard(path: string): void {
  try {
    rmSync(path, {recursive: true, force: true});
  } catch (error) {
    if (!isErrno(error, 'ENOTDIR', 'EACCES', 'EROFS')) throw error;
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
