import {createHash} from 'node:crypto';
import {chmod, lstat, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {FgError, isErrno, isNoSpace} from '../../src/errors.ts';
import {type Artifact, type CreateProgress, type Mark, markNames} from '../registrar.ts';
import {copyVerified, fileDigest} from './file-copy.ts';
import {byHundredths} from './progress.ts';
import {exists, place, readSidecar, type Sidecar, sidecarSuffix, sidecarText, writeWhole} from './sidecar.ts';

/** Where an image comes to lie, and under which marks. */
export interface Placing {
  readonly folder: string;
  /** Of the registered file. */
  readonly file: string;
  /** What it is called: the file without its suffix. */
  readonly name: string;
  readonly mark: Mark;
  /** Octal, four digits. */
  readonly permissions: string;
  readonly signal: AbortSignal;
}

/** A text that comes to lie beside the registered file. */
export interface PlacedText {
  /** After the name of the image: `.xml`. */
  readonly suffix: string;
  readonly text: string;
}

export interface PlacedContent {
  readonly artifact: Artifact;
  readonly texts: readonly PlacedText[];
  readonly progress: CreateProgress;
  /** Whether a sidecar of an earlier try is there. */
  readonly isUnfinished: boolean;
}

const sidecarPermissions = '0644';

/**
 * First the sidecar that says whose it is and what its bytes are to be, then the bytes under another name, then their
 * name, then the sidecar that says that all is there: whenever this is killed, what is found is a pending image, and
 * this goes on. Replaces nothing that is not what the sidecar says.
 */
export async function placeImage(
  placing: Placing,
  {artifact, texts, progress, isUnfinished}: PlacedContent,
): Promise<void> {
  const {folder, file, name, mark, permissions} = placing;
  const source = artifact.files.find((one) => one.path === artifact.file);
  if (source === undefined) throw new Error(`The artifact has no file ${artifact.file}`);
  const {sizeBytes, sha256} = source;
  const planned = [{name: file, size_bytes: sizeBytes, sha256}, ...texts.map((text) => textFile(name, text))];
  const pending: Sidecar = {
    [markNames.digest]: mark.digest,
    [markNames.lineage]: mark.lineage,
    name,
    state: 'copying',
    files: planned.map((one) => ({...one, modified_ms: 0})),
    registered_at: new Date().toISOString(),
  };
  const missing: typeof planned = [];
  for (const one of planned) {
    if (!(await exists(join(folder, one.name)))) missing.push(one);
    else if (!isUnfinished || !(await isFile(placing, one))) throw takenError(join(folder, one.name));
  }
  const sidecar = sidecarPath(folder, file);
  const written = {permissions: sidecarPermissions, replace: isUnfinished};
  await writeWhole(sidecar, sidecarText(pending), written);
  progress.begun(file);

  if (missing.some((one) => one.name === file)) {
    const part = partPath(folder, file);
    const report = byHundredths(progress);
    await copyVerified(
      {from: join(artifact.folder, source.path), to: part, sizeBytes, sha256, permissions},
      {
        signal: placing.signal,
        onProgress: (copied) => report(`Copying ${file}`, copied / Math.max(sizeBytes, 1)),
      },
    );
    await place(part, join(folder, file), {replace: false});
  }
  for (const {suffix, text} of texts) {
    const path = join(folder, `${name}${suffix}`);
    if (missing.some((one) => one.name === `${name}${suffix}`))
      await writeWhole(path, text, {permissions, replace: false});
  }
  const files = await Promise.all(
    planned.map(async (one) => ({...one, modified_ms: (await lstat(join(folder, one.name))).mtimeMs})),
  );
  const ready: Sidecar = {...pending, state: 'ready', files};
  await writeWhole(sidecar, sidecarText(ready), {permissions: sidecarPermissions, replace: true});
}

/** Takes an image away; the sidecar goes last: as long as it is there, what else is there is known to be ours. */
export async function removeImage(placing: Placing): Promise<void> {
  const {folder, file} = placing;
  const sidecar = await ownSidecar(placing);
  if (sidecar === undefined) return;
  await rm(partPath(folder, file), {force: true});
  for (const one of sidecar.files) {
    // A file of that name that came while ours was copied is somebody else's.
    if (sidecar.state === 'ready' || (await isFile(placing, one)))
      await rm(join(folder, one.name), {force: true});
  }
  await rm(sidecarPath(folder, file), {force: true});
}

export async function deprecateImage(placing: Placing): Promise<void> {
  const sidecar = await ownSidecar(placing);
  if (sidecar === undefined) return;
  const text = sidecarText({...sidecar, deprecated: true});
  await writeWhole(sidecarPath(placing.folder, placing.file), text, {
    permissions: sidecarPermissions,
    replace: true,
  });
}

export async function setPermissions(placing: Placing): Promise<void> {
  const {files = []} = (await ownSidecar(placing)) ?? {};
  for (const {name} of files) {
    await chmod(join(placing.folder, name), Number.parseInt(placing.permissions, 8));
  }
}

export function sidecarPath(folder: string, file: string): string {
  return join(folder, `${file}${sidecarSuffix}`);
}

/** The file while it is copied. */
function partPath(folder: string, file: string): string {
  return join(folder, `.${file}.part`);
}

async function ownSidecar({folder, file, mark}: Placing): Promise<Sidecar | undefined> {
  const sidecar = await readSidecar(sidecarPath(folder, file));
  return sidecar?.[markNames.lineage] === mark.lineage ? sidecar : undefined;
}

type PlannedFile = Omit<Sidecar['files'][number], 'modified_ms'>;

function textFile(name: string, {suffix, text}: PlacedText): PlannedFile {
  return {
    name: `${name}${suffix}`,
    size_bytes: Buffer.byteLength(text),
    sha256: createHash('sha256').update(text).digest('hex'),
  };
}

/** Whether what has the name is the file that was planned. */
async function isFile({folder, signal}: Placing, {name, size_bytes: size, sha256}: PlannedFile) {
  const path = join(folder, name);
  try {
    const found = await lstat(path);
    return found.isFile() && found.size === size && (await fileDigest(path, signal)) === sha256;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Does something in a folder, its troubles in words for who registers. */
export async function withFolderErrors<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw folderError(folder, error);
  }
}

function folderError(folder: string, error: unknown): unknown {
  if (error instanceof FgError || !(error instanceof Error)) return error;
  if (isNoSpace(error)) {
    return new FgError('NO_SPACE', `The disk of ${folder} is full`, {
      cause: error,
      hint: 'Make room there, or take old images away with register.keep_last',
    });
  }
  if (isErrno(error, 'EEXIST'))
    return takenError('dest' in error ? String(error.dest) : `The name in ${folder}`);
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'EIO', 'ESTALE', 'ENOTDIR', 'EFBIG')) {
    return new FgError('OUTPUT_UNUSABLE', `${folder} cannot be used: ${error.message}`, {
      cause: error,
      hint: 'Check who may write there, and that it is mounted',
    });
  }
  return error;
}

function takenError(path: string): FgError {
  return new FgError('NAME_TAKEN', `${path} is there already, and fgimage did not register it`, {
    hint: 'Choose another name with register.name, or take that file away',
  });
}
