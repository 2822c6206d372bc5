import {createHash} from 'node:crypto';
import {createReadStream, readFileSync, statSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import {ImportError, plainEntryPath, shownPath, type TreeEntry} from './entry.ts';
import {type BlobSource, member, parsed, requireFewLayers} from './oci-image.ts';
import {TreeWriter} from './tree-writer.ts';

/** An image of one of the two forms that a folder may have. */
export type FolderImage =
  | {readonly kind: 'layout'; readonly source: BlobSource; readonly index: Buffer}
  /** `docker save` of old: the files of the layers, the lowest first. */
  | {readonly kind: 'saved'; readonly layers: readonly string[]};

/** Blobs of an OCI layout (image-spec 1.0, image-layout.md): each is compared with the digest that is its name. */
function layoutSource(folder: string): BlobSource {
  const place = (digest: string): string | undefined => fileIn(folder, `blobs/${digest.replace(':', '/')}`);
  return {
    small: (version) => {
      const file = version === indexName ? fileIn(folder, indexName) : place(version);
      return Promise.resolve(file === undefined ? undefined : document(file));
    },
    layer: async ({digest}) => {
      const file = place(digest);
      if (file === undefined) throw new ImportError(`It lacks the layer ${digest}`);
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
      const found = `sha256:${hash.digest('hex')}`;
      if (found !== digest) throw new ImportError(`Its layer ${digest} is damaged: its digest is ${found}`);
      return file;
    },
  };
}

/** The place of a file of an image. Links, which old archives have, are followed inside its folder alone. */
function fileIn(folder: string, path: string): string | undefined {
  const place = new TreeWriter(folder).follow(path);
  const text = place?.toString('utf8') ?? '';
  // Programs are given it as text.
  return place !== undefined && Buffer.from(text).equals(place) ? text : undefined;
}

function document(file: string): Buffer {
  if (statSync(file).size > largestDocumentBytes) throw new ImportError('A document of it is too large');
  return readFileSync(file);
}

export const indexName = 'index.json';
const largestDocumentBytes = 4 << 20;

/** Reads a folder as an image; undefined where it is none. */
export function readFolder(folder: string): FolderImage | undefined {
  const index = fileIn(folder, indexName);
  if (index !== undefined && fileIn(folder, 'oci-layout') !== undefined)
    return {kind: 'layout', source: layoutSource(folder), index: document(index)};
  const manifest = fileIn(folder, 'manifest.json');
  if (manifest === undefined) return undefined;
  const images = parsed(document(manifest));
  const [first, second] = Array.isArray(images) ? (images as readonly unknown[]) : [];
  const layers = member(first, 'Layers');
  if (!Array.isArray(layers) || !layers.every((one) => typeof one === 'string'))
    throw new ImportError('Its manifest.json names no layers');
  if (second !== undefined)
    throw new ImportError('It holds several images', {hint: 'Save one image by itself'});
  requireFewLayers(layers);
  const paths = layers.map((one) => {
    const path = fileIn(folder, plainEntryPath(one));
    if (path === undefined) throw new ImportError(`It lacks the layer ${shownPath(one)}`);
    return path;
  });
  return {kind: 'saved', layers: paths};
}

/** Whether an archive holds an image and no root: what its entries are called tells. */
export function isImageEntry({path, type}: TreeEntry): boolean {
  return type === 'file' && (path === 'oci-layout' || path === 'manifest.json');
}

/** Unpacks the archive of an image into a folder of its own: plain files and folders, and the links that old `docker save` makes. */
export async function unpackImage(entries: AsyncIterable<TreeEntry>, folder: string): Promise<void> {
  await mkdir(folder, {recursive: true});
  const writer = new TreeWriter(folder);
  const owner = {uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0};
  for await (const entry of entries) {
    if (entry.type === 'special') throw new ImportError('An archive of an image holds a device');
    const mode = entry.type === 'folder' ? 0o755 : 0o644;
    await writer.write({...entry, ...owner, mode});
  }
  writer.finish();
}
