import {createHash} from 'node:crypto';
import {elementsAt, textAt, type XmlTree} from '../../src/clients/xml-tree.ts';
import {type Mark, markNames, type RemoteImage, type RemoteProperties} from '../registrar.ts';
import type {BundleKind} from './manifest.ts';

/** An image as DescribeImages tells of it. */
export interface Emi {
  readonly id: string;
  readonly name: string;
  /** `bucket/key` of the manifest; absent: it is backed by a volume. */
  readonly location?: string;
  readonly state: string;
  readonly reason?: string;
  readonly architecture?: string;
  readonly virtualization?: string;
  readonly kernel?: string;
  readonly ramdisk?: string;
  readonly description?: string;
  readonly isPublic: boolean;
  readonly createdAt?: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** Deregistered images are shown for a while. */
const goneStates = ['deregistered', 'hidden', 'unavailable'];

export function readImages(answer: XmlTree): readonly Emi[] {
  return elementsAt(answer, 'imagesSet', 'item')
    .map(readImage)
    .filter(({state}) => !goneStates.includes(state));
}

function readImage(item: XmlTree): Emi {
  const optional = (
    name: string,
    ...path: readonly [string, ...string[]]
  ): Readonly<Record<string, string>> => {
    const text = textAt(item, ...path);
    return text === undefined ? {} : {[name]: text};
  };
  const createdAt = Date.parse(textAt(item, 'creationDate') ?? '');
  return {
    id: textAt(item, 'imageId') ?? '',
    name: textAt(item, 'name') ?? '',
    state: textAt(item, 'imageState') ?? 'unknown',
    isPublic: textAt(item, 'isPublic') === 'true',
    ...optional('location', 'imageLocation'),
    ...optional('reason', 'stateReason', 'message'),
    ...optional('architecture', 'architecture'),
    ...optional('virtualization', 'virtualizationType'),
    ...optional('kernel', 'kernelId'),
    ...optional('ramdisk', 'ramdiskId'),
    ...optional('description', 'description'),
    ...(Number.isNaN(createdAt) ? {} : {createdAt}),
    tags: Object.fromEntries(
      elementsAt(item, 'tagSet', 'item').map((tag) => [textAt(tag, 'key') ?? '', textAt(tag, 'value') ?? '']),
    ),
  };
}

/**
 * What the keys of a bundle begin with. The whole mark is in them: an EMI tells of its manifest's key even where it was
 * not tagged any more, and a listing of the bucket tells of bundles that never became one. Without slashes, which old
 * releases refuse in the place of an image; and never with `windows`, `vmlinuz` or `initrd` first, which they would take
 * for the kind.
 */
export function bundlePrefix(mark: Mark, kind: BundleKind): string {
  return `${digestPrefix(mark)}${kind}`;
}

/** Of all bundles of an artifact. */
export function digestPrefix(mark: Mark): string {
  return `${lineagePrefix(mark)}${mark.digest}-`;
}

/** Of all bundles of a lineage. */
export function lineagePrefix({lineage}: Pick<Mark, 'lineage'>): string {
  return `fgimage-${createHash('sha256').update(lineage).digest('hex').slice(0, 12)}-`;
}

export function manifestKey(prefix: string): string {
  return `${prefix}.manifest.xml`;
}

/** The digest in the key of a bundle's object, where it is one of this lineage. */
export function digestOfKey(key: string, lineage: string): string | undefined {
  const prefix = lineagePrefix({lineage});
  if (!key.startsWith(prefix)) return undefined;
  return /^(?<digest>[0-9a-f]{64})-/.exec(key.slice(prefix.length))?.groups?.['digest'];
}

/** The mark of a machine image: by its manifest's key, else by its tags. */
export function markOf({location = '', tags}: Emi, lineage: string): Mark | undefined {
  const key = location.slice(location.indexOf('/') + 1);
  const digest = digestOfKey(key, lineage);
  if (digest !== undefined) return {digest, lineage};
  const {[markNames.digest]: tagged, [markNames.lineage]: other} = tags;
  return tagged === undefined || other === undefined ? undefined : {digest: tagged, lineage: other};
}

/** Whether it is a kernel or an initial RAM disk, which belong to a machine image. */
export function isPart({id}: Emi): boolean {
  return /^[ea][kr]i-/i.test(id);
}

/** What the registrar manages of an image, as found. */
export function propertiesOf({description, isPublic, tags}: Emi): RemoteProperties {
  const own = Object.entries(tags).filter(([name]) => !/^(fgimage_|euca:|aws:)/.test(name));
  return {
    public: String(isPublic),
    ...(description === undefined ? {} : {description}),
    ...Object.fromEntries(own.map(([name, value]) => [`tag:${name}`, value])),
  };
}

export function remoteImage(emi: Emi, lineage: string): RemoteImage {
  const mark = markOf(emi, lineage);
  const {id, name, state, reason, createdAt, location, kernel, ramdisk} = emi;
  const isTagged = mark === undefined || emi.tags[markNames.digest] === mark.digest;
  const belongings = {
    ...(location === undefined ? {} : {location}),
    ...(kernel === undefined ? {} : {kernel}),
    ...(ramdisk === undefined ? {} : {ramdisk}),
  };
  return {
    id,
    name,
    ...(mark === undefined ? {} : {mark}),
    // Registered, and not tagged: fgimage was ended between the two.
    health: state === 'failed' ? 'broken' : state === 'available' && isTagged ? 'ready' : 'pending',
    status: state,
    ...(reason === undefined ? {} : {reason}),
    properties: propertiesOf(emi),
    ...(createdAt === undefined ? {} : {createdAt}),
    belongings,
  };
}
