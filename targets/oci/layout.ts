import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {FgError} from '../../src/errors.ts';

/** image-spec 1.0, descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: {readonly architecture: string; readonly os: string};
}

/** An image as it lies in a layout on disk (image-spec 1.0, image-layout.md). */
export interface ImageLayout {
  readonly manifest: Descriptor;
  readonly manifestBytes: Buffer;
  /** The configuration and the layers. */
  readonly blobs: readonly Descriptor[];
}

/** Reads the layout that the pack stage wrote: one image, one manifest. */
export async function readLayout(folder: string): Promise<ImageLayout> {
  const [manifest] = imagesOf(parsed(await readFile(join(folder, 'index.json'))));
  if (manifest === undefined) throw damaged(folder);
  const manifestBytes = await readFile(blobPath(folder, manifest.digest));
  const {config, layers} = parsed(manifestBytes) as {readonly config?: unknown; readonly layers?: unknown};
  const blobs = [config, ...(Array.isArray(layers) ? (layers as readonly unknown[]) : [])];
  if (!blobs.every(isDescriptor)) throw damaged(folder);
  return {manifest, manifestBytes, blobs};
}

export function blobPath(folder: string, digest: string): string {
  return join(folder, 'blobs', ...digest.split(':'));
}

/** The manifests that an index names. */
export function imagesOf(index: unknown): readonly Descriptor[] {
  const manifests =
    typeof index === 'object' && index !== null && 'manifests' in index ? index.manifests : undefined;
  return Array.isArray(manifests) ? manifests.filter(isDescriptor) : [];
}

export function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function isDescriptor(value: unknown): value is Descriptor {
  if (typeof value !== 'object' || value === null) return false;
  const {mediaType, digest, size} = value as Record<string, unknown>;
  const isDigest = typeof digest === 'string' && /^sha256:[0-9a-f]{64}$/.test(digest);
  return isDigest && typeof mediaType === 'string' && typeof size === 'number';
}

function damaged(folder: string): FgError {
  return new FgError('CACHE_UNUSABLE', `${folder} is no OCI layout any more`, {
    hint: 'Run "fgimage cache verify", build again, and register then',
  });
}
