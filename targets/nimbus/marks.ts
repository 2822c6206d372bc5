import type {StoredObject} from '../../src/clients/s3-v2.ts';
import type {Mark, RemoteImage} from '../registrar.ts';
import type {Repository} from './cloud-properties.ts';

/**
 * Cumulus keeps of an object its bytes, size, MD5 and time: metadata are lost. So the mark of an image is an object of
 * its own, whose key says everything, and one listing tells of all images and marks of an owner:
 *
 *     VMS/<owner>/<name>
 *     VMS/<owner>.fgimage/<name>/<SHA-256 of the artifact>/<MD5 of the object>/<lineage>
 *
 * Nimbus and its clients look below `VMS/<owner>/` only. The mark is written before the image, and removed after it:
 * a mark without its image is an upload that was interrupted.
 */
export interface PlacedMark extends Mark {
  /** The whole key of the mark. */
  readonly key: string;
  readonly name: string;
  readonly md5: string;
  readonly writtenAt?: number;
}

type Place = Pick<Repository, 'baseKey' | 'owner'>;

export function imageKey({baseKey, owner}: Place, name: string): string {
  return `${baseKey}/${owner}/${name}`;
}

/** What the keys of all images and marks of an owner begin with. */
export function listingPrefix({baseKey, owner}: Place): string {
  return `${baseKey}/${owner}`;
}

export function markKey(
  place: Place,
  name: string,
  {digest, lineage, md5}: Mark & {readonly md5: string},
): string {
  return `${markPrefix(place)}${name}/${digest}/${md5}/${encodeURI(lineage)}`;
}

/** All images of an owner, ours with their marks, and what was begun and not finished. */
export function imagesOf(place: Place, objects: readonly StoredObject[]): readonly RemoteImage[] {
  const prefix = `${listingPrefix(place)}/`;
  const images = objects.filter(({key}) => key.startsWith(prefix));
  const marks = marksOf(place, objects);
  const marked = marks.map((mark) =>
    markedImage(
      mark,
      images.find(({key}) => key === imageKey(place, mark.name)),
    ),
  );
  const strangers = images.filter(
    ({key}) => !marked.some(({id, health}) => id === key && health !== 'pending'),
  );
  return [
    // Of several marks for one name only the one that fits the object is of use; the others were left behind.
    ...marked.filter((one) => one.health !== 'broken' || !marked.some((other) => isBetter(other, one))),
    ...strangers.map(
      ({key, sizeBytes, modifiedAt}): RemoteImage => ({
        id: key,
        name: key.slice(prefix.length),
        health: 'ready',
        status: 'stored',
        properties: {},
        belongings: {size: String(sizeBytes)},
        ...(modifiedAt === undefined ? {} : {createdAt: modifiedAt}),
      }),
    ),
  ];
}

export function marksOf(place: Place, objects: readonly StoredObject[]): readonly PlacedMark[] {
  const prefix = markPrefix(place);
  return objects.flatMap(({key, modifiedAt}) => {
    if (!key.startsWith(prefix)) return [];
    const found = /^(?<name>[^/]+)\/(?<digest>[0-9a-f]{64})\/(?<md5>[0-9a-f]{32})\/(?<lineage>.+)$/s.exec(
      key.slice(prefix.length),
    )?.groups;
    if (found === undefined) return [];
    const {name = '', digest = '', md5 = '', lineage = ''} = found;
    const written = modifiedAt === undefined ? {} : {writtenAt: modifiedAt};
    return [{key, name, digest, md5, lineage: decoded(lineage), ...written}];
  });
}

function markPrefix(place: Place): string {
  return `${listingPrefix(place)}.fgimage/`;
}

function markedImage(mark: PlacedMark, object: StoredObject | undefined): RemoteImage {
  const {key, name, digest, lineage, md5, writtenAt} = mark;
  const placed = key.slice(0, -`.fgimage/${name}/${digest}/${md5}/${encodeURI(lineage)}`.length);
  const common = {
    id: `${placed}/${name}`,
    name,
    mark: {digest, lineage},
    properties: {},
    belongings: {mark: key},
    ...(writtenAt === undefined ? {} : {createdAt: writtenAt}),
  };
  if (object === undefined) return {...common, health: 'pending', status: 'uploading'};
  if (object.md5 === md5) return {...common, health: 'ready', status: 'stored'};
  return {
    ...common,
    health: 'broken',
    status: 'altered',
    reason: `its MD5 is ${object.md5 ?? 'unknown'}, and was ${md5} when it was registered`,
  };
}

function isBetter(other: RemoteImage, one: RemoteImage): boolean {
  return other !== one && other.id === one.id && other.health === 'ready';
}

function decoded(text: string): string {
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}
