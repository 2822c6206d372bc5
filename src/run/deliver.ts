import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
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
import {makeFolder} from '../../cache/make-folder.ts';
import type {Store} from '../../cache/store.ts';
import {digestFile, sha256} from '../../cache/tree.ts';
import {FgError, isErrno, isNoSpace} from '../errors.ts';
import {fail, ok, type Result} from '../result.ts';
import type {JsonObject, JsonValue} from '../spec/image.ts';

/** An artifact on its way from the cache to the user's folder. */
export interface Parcel {
  readonly image: string;
  readonly target: string;
  /** Digest of the pack stage's output. */
  readonly digest: string;
  /** Digest of the sbom stage's output: the documents that lie beside the artifact. */
  readonly documents?: string;
  /** A document that tells of all the others, so that it is made last. */
  readonly proof?: {readonly path: string; readonly text: (set: ProvenSet) => string};
  /** What manifest.json says beside the files. */
  readonly manifest: JsonObject;
}

type ProvenSet = Pick<ToldSet, 'files' | 'documents'>;

/** A file in the cache that is not what was made, and the content that it is of. */
export interface Spoilt {
  readonly digest: string;
  readonly path: string;
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
 * is read again and compared with what was made: the failure is the first file in the cache that is not that. Where only
 * the documents have changed, the new set takes the artifact over from the old one.
 */
export function deliver(store: Store, output: string, parcel: Parcel): Result<Delivered, Spoilt> {
  const {path, builds, folder, link} = placesOf(output, parcel);
  const fresh = join(builds, `.${basename(folder)}.${String(process.pid)}`);
  const freshLink = join(dirname(path), `.${parcel.target}.${String(process.pid)}`);
  try {
    const delivered = linkTarget(path) === link ? wholeSet(folder) : undefined;
    if (delivered !== undefined) {
      const text = manifestText(parcel, withProof(folder, parcel, delivered));
      return ok({path, changed: text !== delivered.text && writeManifest(folder, text)});
    }
    for (const made of [builds, dirname(path)]) makeFolder(made);
    rmSync(fresh, {recursive: true, force: true});
    mkdirSync(fresh);
    const files = takeOver(output, parcel, fresh) ?? copyContent(store, parcel.digest, fresh);
    if ('digest' in files) return fail(files);
    const documents = parcel.documents === undefined ? [] : copyContent(store, parcel.documents, fresh);
    if ('digest' in documents) return fail(documents);
    writeManifest(fresh, manifestText(parcel, withProof(fresh, parcel, {files, documents})));
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

/** A set of files as its manifest.json tells it. */
interface ToldSet {
  readonly text: string;
  readonly files: readonly ArtifactFile[];
  readonly documents: readonly ArtifactFile[];
}

/** An artifact, its documents, or both of them. */
export type Wanted = Pick<Parcel, 'image' | 'target'> & Partial<Pick<Parcel, 'digest' | 'documents'>>;

/** Whether what is wanted lies whole where the user looks for it, so that its content in the cache is not needed. */
export function isDelivered(output: string, wanted: Wanted): boolean {
  return deliveredSet(output, wanted) !== undefined;
}

/** The set that lies whole where it belongs and holds what is wanted, whatever else it holds. */
function deliveredSet(output: string, {image, target, digest, documents}: Wanted): ToldSet | undefined {
  const path = join(output, image, target);
  const beginning = join('..', '.builds', `${image}.${target}.`);
  const link = linkTarget(path);
  if (link?.startsWith(beginning) !== true) return undefined;
  const [artifact, beside] = link.slice(beginning.length).split('-');
  const isMeant =
    (digest === undefined || artifact === digest.slice(0, nameLength)) &&
    (documents === undefined || beside === documents.slice(0, nameLength));
  return isMeant ? wholeSet(path) : undefined;
}

function wholeSet(folder: string): ToldSet | undefined {
  const told = readManifest(folder);
  if (told === undefined) return undefined;
  const isWhole = [...told.files, ...told.documents].every(({path: name, size_bytes: size}) => {
    const stat = statSync(join(folder, name), {throwIfNoEntry: false});
    return stat?.size === size;
  });
  return isWhole ? told : undefined;
}

/** Puts the same artifact that lies there beside other documents into a new set; undefined where there is none. */
function takeOver(
  output: string,
  {image, target, digest}: Parcel,
  fresh: string,
): readonly ArtifactFile[] | undefined {
  const before = deliveredSet(output, {image, target, digest});
  for (const {path} of before?.files ?? []) {
    mkdirSync(dirname(join(fresh, path)), {recursive: true});
    linkOrCopy(join(output, image, target, path), join(fresh, path));
  }
  return before?.files;
}

/** Writes the document that tells of the others, where it is not there as it should be, and adds it to them. */
function withProof(folder: string, {proof}: Parcel, {files, documents}: ProvenSet): ProvenSet {
  if (proof === undefined) return {files, documents};
  const others = documents.filter(({path}) => path !== proof.path);
  const text = proof.text({files, documents: others});
  writeText(join(folder, proof.path), text);
  const told = {path: proof.path, size_bytes: Buffer.byteLength(text), sha256: sha256(text)};
  return {files, documents: [...others, told]};
}

/** The old set is removed with its names, so that the files soon have one name again. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error;
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
  }
}

function copyContent(store: Store, digest: string, to: string): readonly ArtifactFile[] | Spoilt {
  copyTree(store.treePath(digest), to);
  const files = artifactFiles(store, digest);
  const spoilt = files.find((file) => digestFile(join(to, file.path)) !== file.sha256);
  return spoilt === undefined ? files : {digest, path: spoilt.path};
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
  const files = [...told.files, ...told.documents].map(
    ({path: name, size_bytes: size}) => [name, size] as const,
  );
  return {path, link, files: [...files, ['manifest.json', Buffer.byteLength(told.text)]]};
}

interface Places {
  readonly path: string;
  readonly builds: string;
  readonly folder: string;
  readonly link: string;
}

/** So many digits of a digest are in the name of a set. */
const nameLength = 16;

function placesOf(output: string, {image, target, digest, documents}: Parcel): Places {
  const builds = join(output, '.builds');
  const beside = documents === undefined ? '' : `-${documents.slice(0, nameLength)}`;
  const folder = join(builds, `${image}.${target}.${digest.slice(0, nameLength)}${beside}`);
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
function readManifest(folder: string): ToldSet | undefined {
  try {
    const text = readFileSync(join(folder, 'manifest.json'), 'utf8');
    const {files, documents = []} = JSON.parse(text) as Partial<ToldSet>;
    return files === undefined ? undefined : {text, files, documents};
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined;
    throw error;
  }
}

function manifestText({manifest, documents: given, proof}: Parcel, {files, documents}: ProvenSet): string {
  const list = (of: readonly ArtifactFile[]): JsonValue =>
    of.map(({path, size_bytes, sha256}) => ({path, size_bytes, sha256}));
  const told = {
    ...manifest,
    files: list(files),
    ...(given === undefined && proof === undefined ? {} : {documents: list(documents)}),
  };
  return `${JSON.stringify(told, undefined, 2)}\n`;
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
  return writeText(join(folder, 'manifest.json'), text);
}

/** Whether it had to be written. */
function writeText(path: string, text: string): boolean {
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
