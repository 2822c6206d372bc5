import {createHash} from 'node:crypto';
import {createReadStream, existsSync, readFileSync, statSync} from 'node:fs';
import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {ImportError, plainEntryPath, shownPath, type TreeEntry} from './entry.ts';
import {type BlobSource, member, parsed} from './oci-image.ts';
import {TreeWriter} from './tree-writer.ts';

/** An image of one of the two forms that a folder may have. */
export type FolderImage =
  | {readonly kind: 'layout'; readonly source: BlobSource; readonly index: Buffer}
  /** `docker save` of old: the files of the layers, the lowest first. */
  | {readonly kind: 'saved'; readonly layers: readonly string[]};

/** Blobs of an OCI layout (image-spec 1.0, image-layout.md): each is compared with the digest that is its name. */
function layoutSource(folder: string): BlobSource {
  const path = (digest: string): string => join(folder, 'blobs', ...digest.split(':'));
  return {
    small: (version) => {
      const file = version === indexName ? join(folder, indexName) : path(version);
      if (!existsSync(file)) return Promise.resolve(undefined);
      if (statSync(file).size > largestDocumentBytes) throw new ImportError('A document of it is too large');
      return Promise.resolve(readFileSync(file));
    },
    layer: async ({digest}) => {
      const file = path(digest);
      if (!existsSync(file)) throw new ImportError(`It lacks the layer ${digest}`);
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
      const found = `sha256:${hash.digest('hex')}`;
      if (found !== digest) throw new ImportError(`Its layer ${digest} is damaged: its digest is ${found}`);
      return file;
    },
  };
}

export const indexName = 'index.json';
const largestDocumentBytes = 4 << 20;

/** Reads a folder as an image; undefined where it is none. */
export function readFolder(folder: string): FolderImage | undefined {
  const index = join(folder, indexName);
  if (existsSync(index) && existsSync(join(folder, 'oci-layout')))
    return {kind: 'layout', source: layoutSource(folder), index: readFileSync(index)};
  const manifest = join(folder, 'manifest.json');
  if (!existsSync(manifest)) return undefined;
  const images = parsed(readFileSync(manifest));
  const [first, second] = Array.isArray(images) ? (images as readonly unknown[]) : [];
  const layers = member(first, 'Layers');
  if (!Array.isArray(layers) || !layers.every((one) => typeof one === 'string'))
    throw new ImportError('Its manifest.json names no layers');
  if (second !== undefined)
    throw new ImportError('It holds several images', {hint: 'Save one image by itself'});
  // Links on the way, which old archives have, are followed inside the folder alone.
  const inside = new TreeWriter(folder);
  const paths = layers.map((one) => {
    const path = inside.follow(plainEntryPath(one));
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
