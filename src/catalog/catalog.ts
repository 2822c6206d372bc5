import {isDeepStrictEqual} from 'node:util';
import type {Database} from 'better-sqlite3';

/** An artifact that was built and delivered: one row of the local catalog. */
export interface CatalogImage {
  readonly image: string;
  readonly target: string;
  readonly digest: string;
  /** Key of the pack stage. */
  readonly key: string;
  readonly specDigest: string;
  /** Folder that holds it. */
  readonly path: string;
  readonly file: string;
  readonly sizeBytes: number;
  readonly tested: 'passed' | 'not tested';
  /** Milliseconds since the epoch. */
  readonly builtAt: number;
}

/** Enters an artifact, replacing what was at the same path; one that is entered already costs no write. */
export function enterImage(database: Database, image: CatalogImage): void {
  const entered = database.prepare(`SELECT ${columns} FROM images WHERE path = ?`).get(image.path);
  if (isDeepStrictEqual({...(entered as object | undefined)}, {...image})) return;
  database
    .prepare(
      `INSERT OR REPLACE INTO images (image, target, digest, key, spec_digest, path, file, size_bytes, tested, built_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      image.image,
      image.target,
      image.digest,
      image.key,
      image.specDigest,
      image.path,
      image.file,
      image.sizeBytes,
      image.tested,
      image.builtAt,
    );
}

/** The artifact that lies at a path, as it was entered. */
export function imageAt(database: Database, path: string): CatalogImage | undefined {
  return database.prepare(`SELECT ${columns} FROM images WHERE path = ?`).get(path) as
    | CatalogImage
    | undefined;
}

/** All artifacts, the newest first. */
export function listImages(database: Database): readonly CatalogImage[] {
  return database
    .prepare(`SELECT ${columns} FROM images ORDER BY built_at DESC, image, target`)
    .all() as CatalogImage[];
}

const columns =
  'image, target, digest, key, spec_digest AS specDigest, path, file, size_bytes AS sizeBytes, tested, built_at AS builtAt';
