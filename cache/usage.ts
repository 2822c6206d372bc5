import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {type LastUse, lastUsesByImage} from './image-stages.ts';
import {diskUse, objectUse} from './measure.ts';
import {listObjects, type Store} from './store.ts';

/** Room on the disk that only one thing uses, and that which others use too. */
interface Shares {
  readonly ownBytes: number;
  readonly sharedBytes: number;
}

interface StageUsage extends Shares {
  readonly stage: string;
  readonly digest: string;
}

export interface ImageUsage extends Shares {
  readonly image: string;
  /** The spec file. */
  readonly file: string;
  readonly stages: readonly StageUsage[];
}

/** What the cache takes on the disk. The parts sum up to the total: every byte counts once. */
export interface CacheUsage {
  readonly totalBytes: number;
  /** Each image as it was built last. Own: what no other image uses; of a stage: what no other stage gave as well. */
  readonly images: readonly ImageUsage[];
  /** Of all images. */
  readonly ownBytes: number;
  /** What several images use, once. */
  readonly sharedBytes: number;
  /** Recorded content that no image uses as it was built last. */
  readonly earlier: {readonly objects: number; readonly bytes: number};
  /** Content without a record: gc removes it. */
  readonly orphans: {readonly objects: number; readonly bytes: number};
  readonly folders: Readonly<Record<FolderName, number>>;
  readonly databaseBytes: number;
}

const folderNames = [
  'packages',
  'records',
  'logs',
  'traces',
  'kept',
  'caches',
  'corrupt',
  'trash',
  'tmp',
  'locks',
] as const;
export type FolderName = (typeof folderNames)[number];

/** Measures a cache. Reads only; throws what the file system throws. */
export function cacheUsage(store: Store): CacheUsage {
  const {layout, database} = store;
  const bytes = new Map(listObjects(layout).map((digest) => [digest, objectUse(store, digest).bytes]));
  const recorded = new Set(
    database
      .prepare('SELECT DISTINCT digest FROM actions WHERE evicted_at IS NULL')
      .pluck()
      .all() as string[],
  );
  const uses = lastUsesByImage(database).map(({stages, ...use}) => ({
    ...use,
    stages: stages.filter(({digest}) => recorded.has(digest) && bytes.has(digest)),
  }));
  const images = uses.filter(({stages}) => stages.length > 0);
  const users = countUsers(images);
  const of = (digests: Iterable<string>): number => sum([...digests].map((digest) => bytes.get(digest) ?? 0));
  const used = [...users.keys()];
  const earlier = [...bytes.keys()].filter((digest) => recorded.has(digest) && !users.has(digest));
  const lost = [...bytes.keys()].filter((digest) => !recorded.has(digest));
  const seen = new Set<string>();
  const folders = Object.fromEntries(
    folderNames.map((name) => [name, existsSync(layout[name]) ? diskUse(layout[name], seen).bytes : 0]),
  ) as Record<FolderName, number>;
  const databaseBytes = sum(databaseFiles(layout.root).map((path) => diskUse(path).bytes));
  return {
    totalBytes: of(bytes.keys()) + sum(Object.values(folders)) + databaseBytes,
    images: images.map((image) => imageUsage(image, {users, of})),
    ownBytes: of(used.filter((digest) => users.get(digest) === 1)),
    sharedBytes: of(used.filter((digest) => users.get(digest) !== 1)),
    earlier: {objects: earlier.length, bytes: of(earlier)},
    orphans: {objects: lost.length, bytes: of(lost)},
    folders,
    databaseBytes,
  };
}

/** With its log, those that were moved aside, and the pins. */
function databaseFiles(root: string): readonly string[] {
  const names = existsSync(root) ? readdirSync(root) : [];
  return names.filter((name) => /^(?:fgimage\.db|pins\.json)/.test(name)).map((name) => join(root, name));
}

/** How many images use a digest. */
function countUsers(images: readonly LastUse[]): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  for (const {stages} of images) {
    for (const digest of new Set(stages.map((stage) => stage.digest)))
      users.set(digest, (users.get(digest) ?? 0) + 1);
  }
  return users;
}

function imageUsage(
  {image, file, stages}: LastUse,
  {users, of}: {users: ReadonlyMap<string, number>; of: (digests: Iterable<string>) => number},
): ImageUsage {
  const digests = [...new Set(stages.map(({digest}) => digest))];
  const isOwn = (digest: string): boolean => users.get(digest) === 1;
  const isSole = (digest: string): boolean =>
    isOwn(digest) && stages.filter((stage) => stage.digest === digest).length === 1;
  return {
    image,
    file,
    ownBytes: of(digests.filter(isOwn)),
    sharedBytes: of(digests.filter((digest) => !isOwn(digest))),
    stages: stages.map(({stage, digest}) => ({
      stage,
      digest,
      ownBytes: isSole(digest) ? of([digest]) : 0,
      sharedBytes: isSole(digest) ? 0 : of([digest]),
    })),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
