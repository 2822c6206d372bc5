import {indexType, type Stored, stored} from '../../src/clients/oci/registry.ts';
import type {Image} from '../../src/spec/image.ts';
import {type Mark, markNames} from '../registrar.ts';
import {type Descriptor, imagesOf, parsed} from './layout.ts';

/**
 * What a tag of ours stands for: an image index (image-spec 1.0, image-index.md) of one image, with our mark in its
 * annotations. The image's own manifest stays as it was packed: its digest is the one that signatures and provenance
 * name, and is pulled by it too. Engines choose the image out of the index as they do from those that buildx pushes.
 */
export interface MarkedIndex {
  /** Of the index itself. */
  readonly digest: string;
  readonly mark: Mark;
  /** Milliseconds since the epoch. */
  readonly registeredAt: number;
  readonly image: Descriptor;
}

const timeName = 'fgimage_registered';

export function markedIndex(
  manifest: Descriptor,
  {image, mark, registeredAt}: {readonly image: Image; readonly mark: Mark; readonly registeredAt: number},
): Stored {
  const {mediaType, digest, size} = manifest;
  const index = {
    schemaVersion: 2,
    mediaType: indexType,
    manifests: [{mediaType, digest, size, platform: {architecture: image.os.architecture, os: 'linux'}}],
    annotations: {
      'org.opencontainers.image.title': image.name,
      ...(image.description !== undefined && {'org.opencontainers.image.description': image.description}),
      [markNames.digest]: mark.digest,
      [markNames.lineage]: mark.lineage,
      [timeName]: new Date(registeredAt).toISOString(),
    },
  };
  return stored(Buffer.from(JSON.stringify(index)));
}

/** A manifest as one of ours; undefined for everybody else's. */
export function readMarkedIndex({bytes, digest}: Stored): MarkedIndex | undefined {
  const index = parsed(bytes);
  if (typeof index !== 'object' || index === null || !('annotations' in index)) return undefined;
  const {annotations} = index;
  if (typeof annotations !== 'object' || annotations === null) return undefined;
  const {
    [markNames.digest]: artifact,
    [markNames.lineage]: lineage,
    [timeName]: time,
  } = annotations as Record<string, unknown>;
  const [image] = imagesOf(index);
  if (typeof artifact !== 'string' || typeof lineage !== 'string' || image === undefined) return undefined;
  const registeredAt = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return {
    digest,
    mark: {digest: artifact, lineage},
    registeredAt: Number.isNaN(registeredAt) ? 0 : registeredAt,
    image,
  };
}

/** The tag by which an image is found whatever becomes of its name. */
export function digestTag({digest}: Pick<Mark, 'digest'>): string {
  return `fgimage-${digest.slice(0, 12)}`;
}

export function isDigestTag(tag: string): boolean {
  return /^fgimage-[0-9a-f]{12}$/.test(tag);
}
