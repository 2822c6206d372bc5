import {createHash} from 'node:crypto';
import {ImportError} from './entry.ts';

/** image-spec 1.0, descriptor.md. */
interface Descriptor {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly platform?: {readonly os: string; readonly architecture: string};
}

/** Where the blobs of an image are: a folder, an archive, a registry. */
export interface BlobSource {
  /** A manifest or an index by digest or tag; verified by whoever asks. Undefined where there is none. */
  readonly small: (version: string) => Promise<Buffer | undefined>;
  /** The bytes of a layer as a file, verified. */
  readonly layer: (layer: {readonly digest: string; readonly sizeBytes: number}) => Promise<string>;
}

/** The layers of one image, the lowest first. */
export interface ImageLayers {
  readonly layers: readonly {readonly digest: string; readonly sizeBytes: number}[];
}

/** How deep an index may name indexes. */
const mostIndexes = 4;

/**
 * Finds the layers of the image for an architecture (Go's word, as the specification has it): through indexes, each
 * document compared with the digest by which it was asked for. `version`: a digest, or a tag whose digest is `expected`.
 */
export async function findLayers(
  source: BlobSource,
  {
    version,
    expected,
    architecture,
  }: {readonly version: string; readonly expected?: string | undefined; readonly architecture: string},
): Promise<ImageLayers> {
  let wanted = version;
  let digest = expected ?? (version.startsWith('sha256:') ? version : undefined);
  for (let depth = 0; depth <= mostIndexes; depth += 1) {
    const bytes = await source.small(wanted);
    if (bytes === undefined) throw new ImportError(`There is no ${wanted}`);
    if (digest !== undefined) requireDigest(bytes, digest, wanted);
    const document = parsed(bytes);
    const layers = member(document, 'layers');
    if (Array.isArray(layers)) {
      requireFewLayers(layers);
      return {layers: descriptors(layers)};
    }
    const manifests = member(document, 'manifests');
    if (!Array.isArray(manifests))
      throw new ImportError('It holds no image that is known: neither layers nor manifests');
    const next = ofArchitecture(descriptors(manifests), architecture);
    wanted = next.digest;
    digest = next.digest;
  }
  throw new ImportError('Its indexes name each other without end');
}

/** Each may be the same large one. Docker has 127 at most. */
export function requireFewLayers({length}: readonly unknown[]): void {
  if (length > mostLayers) throw new ImportError(`It names ${String(length)} layers`);
}

const mostLayers = 1000;

function ofArchitecture(manifests: readonly Descriptor[], architecture: string): Descriptor {
  // What build tools store beside images says that it is for no platform.
  const images = manifests.filter(({platform}) => platform?.os !== 'unknown');
  const fitting = images.filter(
    ({platform}) => platform?.architecture === architecture && platform.os === 'linux',
  );
  const plain = images.filter(({platform}) => platform === undefined);
  const [found, other] = fitting.length > 0 ? fitting : plain;
  if (found === undefined) {
    const there = images.map(({platform}) => `${platform?.os ?? ''}/${platform?.architecture ?? ''}`);
    throw new ImportError(
      `It has no image for linux/${architecture}, only for ${there.join(', ') || 'nothing'}`,
      {
        hint: 'Write the os.architecture that it is for',
      },
    );
  }
  if (other !== undefined && fitting.length === 0)
    throw new ImportError('It holds several images and does not say what they are for', {
      hint: 'Keep one of them in it',
    });
  return found;
}

export function requireDigest(bytes: Buffer, digest: string, name: string): void {
  const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  if (found !== digest)
    throw new ImportError(`${name} is not what was asked for: its digest is ${found}, not ${digest}`, {
      hint: 'It was replaced or damaged: look at it, and write the digest of what is meant',
    });
}

function descriptors(list: readonly unknown[]): readonly Descriptor[] {
  return list.map((one) => {
    const digest = member(one, 'digest');
    const size = member(one, 'size');
    const platform = member(one, 'platform');
    const os = member(platform, 'os');
    const architecture = member(platform, 'architecture');
    if (typeof digest !== 'string' || !/^sha256:[0-9a-f]{64}$/.test(digest) || typeof size !== 'number')
      throw new ImportError('It names something without a SHA-256 and a size');
    const told =
      typeof os === 'string' && typeof architecture === 'string' ? {platform: {os, architecture}} : {};
    return {digest, sizeBytes: size, ...told};
  });
}

export function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    throw new ImportError('A document of it is not JSON');
  }
}

export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
