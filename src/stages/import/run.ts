import {statSync} from 'node:fs';
import {join} from 'node:path';
import {RemoteError} from '../../http/error.ts';
import {fail, ok} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import {registryReference} from '../../spec/base.ts';
import type {Os} from '../../spec/image.ts';
import type {StageContext, StageRunner} from '../stage.ts';
import {sourceDateEpoch} from '../tree.ts';
import {cleanTree} from './clean.ts';
import {openDecompressed} from './decompress.ts';
import {diskFormat, readDisk} from './disk.ts';
import {ImportError, type TreeEntry} from './entry.ts';
import {indexName, isImageEntry, readFolder, unpackImage} from './oci-folder.ts';
import {type BlobSource, findLayers, requireDigest} from './oci-image.ts';
import {checkOs} from './os-check.ts';
import {readTar} from './tar-reader.ts';
import {TreeWriter} from './tree-writer.ts';
import {writeXattrs} from './xattrs.ts';

interface ImportParams {
  readonly import: {readonly source: string; readonly sha256?: string};
  readonly os: Pick<Os, 'distribution' | 'release' | 'architecture'>;
}

/** A base that is an existing image: a root as tar, a disk, or an OCI image. docs/guide/bases.md */
export const runImport: StageRunner = async (context) => {
  try {
    await importRoot(context);
    return ok({result: {}});
  } catch (error) {
    context.signal.throwIfAborted();
    const failure = failureOf(context, error);
    if (failure === undefined) throw error;
    return fail({failure});
  }
};

async function importRoot(context: StageContext): Promise<void> {
  const {os} = context.node.params as unknown as ImportParams;
  const writer = new TreeWriter(context.output);
  const {isDisk} = await writeRoot(context, writer);
  context.progress('Taking out what belongs to one machine');
  const withoutXattrs = await writeXattrs(context.output, writer.xattrs);
  checkOs(writer, os);
  requireRpmDatabase(context, writer);
  cleanTree(writer, {isDisk, epoch: sourceDateEpoch(context)});
  if (writer.leftOut > 0)
    context.log.write(`left out: ${String(writer.leftOut)} device nodes, pipes and sockets`);
  if (withoutXattrs > 0) context.log.write(`left out: ${String(withoutXattrs)} extended attributes`);
}

/** Without a database dnf would take the root for empty, and put a second system over it. */
function requireRpmDatabase({node}: StageContext, writer: TreeWriter): void {
  const rpm = node.params['rpm'] as {readonly database: string} | undefined;
  if (rpm === undefined || writer.follow(`${rpm.database}/rpmdb.sqlite`) !== undefined) return;
  throw new ImportError(`It has no database of packages in ${rpm.database}`, {
    hint: 'Import a root that was installed by rpm, or write `os: {distribution: other}` where nothing is to be installed',
  });
}

async function writeRoot(context: StageContext, writer: TreeWriter): Promise<{readonly isDisk: boolean}> {
  const {source, sha256} = (context.node.params as unknown as ImportParams).import;
  const reference = registryReference(source);
  if (reference !== undefined) {
    await writeRegistryImage(context, writer, {reference, sha256});
    return {isDisk: false};
  }
  const path = join(context.projectDir, source);
  if (statSync(path).isDirectory()) {
    await writeFolderImage(context, writer, {folder: path, sha256});
    return {isDisk: false};
  }
  if (diskFormat(path) !== undefined) {
    for await (const entry of readDisk(path, context)) await writer.write(entry);
    writer.finish();
    return {isDisk: true};
  }
  await writeArchive(context, writer, path);
  return {isDisk: false};
}

/** A tar archive is a root, or an image with the archives of its layers in it: its first entries tell. */
async function writeArchive(context: StageContext, writer: TreeWriter, path: string): Promise<void> {
  context.progress('Unpacking');
  if (await holdsImage(path, context.signal)) {
    const folder = join(context.work, 'image');
    await unpackImage(readTar(openDecompressed(path, context.signal)), folder);
    await writeFolderImage(context, writer, {folder, sha256: undefined});
    return;
  }
  await writeLayer(context, writer, path);
  writer.finish();
}

async function holdsImage(path: string, signal: AbortSignal): Promise<boolean> {
  for await (const entry of readTar(openDecompressed(path, signal))) {
    if (isImageEntry(entry)) return true;
    // An image has nothing but these at its top.
    if (!/^(?:blobs(?:\/.*)?|index\.json|repositories|[0-9a-f]{64}(?:\.json|\/.*)?)?$/.test(entry.path))
      return false;
  }
  return false;
}

async function writeFolderImage(
  context: StageContext,
  writer: TreeWriter,
  {folder, sha256}: {readonly folder: string; readonly sha256: string | undefined},
): Promise<void> {
  const image = readFolder(folder);
  if (image === undefined)
    throw new ImportError(
      'The folder is no image: it has neither oci-layout with index.json nor manifest.json',
      {
        hint: 'Name an OCI layout (skopeo copy … oci:FOLDER), a disk, or an archive of a root',
      },
    );
  if (image.kind === 'saved') {
    for (const [index, layer] of image.layers.entries()) {
      context.progress(`Unpacking layer ${String(index + 1)} of ${String(image.layers.length)}`);
      await writeLayer(context, writer, layer, {whiteouts: true});
    }
    writer.finish();
    return;
  }
  if (sha256 !== undefined) requireDigest(image.index, `sha256:${sha256}`, indexName);
  await writeImage(context, writer, {source: image.source, version: indexName, expected: undefined});
}

async function writeRegistryImage(
  context: StageContext,
  writer: TreeWriter,
  {reference, sha256}: {readonly reference: string; readonly sha256: string | undefined},
): Promise<void> {
  if (context.offline)
    throw new ImportError(`${reference} is not in the cache, and no registry is asked offline`, {
      hint: 'Build once with a network, or keep the image as a folder of the project (skopeo copy … oci:FOLDER)',
    });
  const {registrySource} = await import('./oci-registry.ts');
  const {source, version} = registrySource(reference, context);
  const expected = sha256 === undefined ? undefined : `sha256:${sha256}`;
  await writeImage(context, writer, {source, version, expected});
}

async function writeImage(
  context: StageContext,
  writer: TreeWriter,
  image: {readonly source: BlobSource; readonly version: string; readonly expected: string | undefined},
): Promise<void> {
  const {os} = context.node.params as unknown as ImportParams;
  const {layers} = await findLayers(image.source, {...image, architecture: os.architecture});
  for (const [index, layer] of layers.entries()) {
    const path = await image.source.layer(layer);
    context.progress(`Unpacking layer ${String(index + 1)} of ${String(layers.length)}`);
    await writeLayer(context, writer, path, {whiteouts: true});
  }
  writer.finish();
}

/** Writes an archive over what is there; with `whiteouts`, what it says is gone goes (image-spec 1.0, layer.md). */
async function writeLayer(
  {signal}: StageContext,
  writer: TreeWriter,
  path: string,
  {whiteouts = false}: {readonly whiteouts?: boolean} = {},
): Promise<void> {
  writer.startLayer();
  for await (const entry of readTar(openDecompressed(path, signal))) {
    signal.throwIfAborted();
    if (!whiteouts || !applyWhiteout(writer, entry)) await writer.write(entry);
  }
}

function applyWhiteout(writer: TreeWriter, {path}: TreeEntry): boolean {
  const slash = path.lastIndexOf('/');
  const [folder, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)];
  if (!name.startsWith('.wh.')) return false;
  if (name === '.wh..wh..opq') writer.opaque(folder);
  // Others with this beginning are what aufs notes for itself.
  else if (!name.startsWith('.wh..wh.')) writer.whiteout(`${folder}/${name.slice('.wh.'.length)}`);
  return true;
}

/** What a user can mend; undefined for a defect. */
function failureOf(context: StageContext, error: unknown): StageFailure | undefined {
  const {source} = (context.node.params as unknown as ImportParams).import;
  if (error instanceof ImportError)
    return {
      reason: 'refused',
      message: `${source} cannot be imported: ${error.message}`,
      hint: error.hint ?? 'Check the file, and that it is the one that was meant',
    };
  if (error instanceof RemoteError)
    return {
      reason: 'refused',
      message: `${source} cannot be imported: ${error.message}`,
      hint: error.hint ?? 'Check the name and that the registry can be reached from here, then build again',
    };
  return undefined;
}
