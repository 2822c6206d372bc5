import {closeSync, openSync, readFileSync, readSync} from 'node:fs';
import {FgError, isErrno} from '../errors.ts';
import {formatCount, printable} from '../ui/format.ts';
import {layOut} from './lay-out.ts';
import {readRecord} from './record-read.ts';

/** What is to be made again, from a record or a bundle. All of it was held against the digests in it. */
export interface Experiment {
  /** The fgimage that wrote it. */
  readonly version: string;
  readonly images: readonly string[];
  /** The spec, by its path in the project. */
  readonly spec: string;
  /** The profiles to merge over it. */
  readonly profiles: readonly string[];
  /** What has to come out, as far as that is told. */
  readonly expected: readonly ExpectedSet[];
  /** What it holds, in words. */
  readonly contents: string;
  /** Writes the project into a folder that is new or empty. Throws `FgError`. */
  readonly layOut: (folder: string) => Promise<void>;
  /** Takes the packages that come along into the package store of a cache; absent: none do. */
  readonly importPackages?: (store: {readonly packages: string; readonly work: string}) => Promise<unknown>;
  readonly close: () => void;
}

export interface ExpectedSet {
  readonly image: string;
  readonly target: string;
  /** SHA-256 of its files, by path. */
  readonly files: ReadonlyMap<string, string>;
}

/** Opens a record (JSON) or a bundle (an archive), whichever the file is. Throws `FgError` for what cannot be used. */
export async function openExperiment(path: string): Promise<Experiment> {
  return isJson(path) ? openRecord(path) : await openBundle(path);
}

function openRecord(path: string): Experiment {
  const record = readRecord(readFileSync(path, 'utf8'));
  if (!record.ok)
    throw new FgError('RECORD_UNUSABLE', `Cannot use the record ${path}: ${printable(record.error)}`, {
      hint: 'Get it once more from where it was published',
    });
  const {version, image, spec, profiles, entries, artifacts} = record.value;
  return {
    version,
    images: [image],
    spec,
    profiles,
    expected: artifacts.map((artifact) => ({image, ...artifact})),
    contents: formatCount(entries.length, 'file'),
    layOut: (folder) => Promise.resolve(layOut(folder, entries)),
    close: () => undefined,
  };
}

async function openBundle(path: string): Promise<Experiment> {
  const {Bundle} = await import('../lock/bundle.ts');
  const bundle = await Bundle.open(path);
  const {fgimage, images, spec, profiles = [], artifacts} = bundle.manifest;
  return {
    version: fgimage,
    images,
    spec,
    profiles,
    expected: artifacts.map(({image, target, files}) => ({
      image,
      target,
      files: new Map(files.map((file) => [file.path, file.sha256])),
    })),
    contents: formatCount(Object.keys(bundle.manifest.members).length, 'file'),
    layOut: (folder) => bundle.unpackProject(folder),
    importPackages: ({packages, work}) => bundle.importPackages(packages, work),
    close: () => bundle.close(),
  };
}

function isJson(path: string): boolean {
  const start = Buffer.alloc(64);
  try {
    const file = openSync(path, 'r');
    try {
      readSync(file, start);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR')) throw error;
    throw new FgError('RECORD_UNUSABLE', `Cannot read the record ${path}`, {
      cause: error,
      hint: 'Name a file that "fgimage record" or "fgimage bundle" has written',
    });
  }
  return /^\s*\{/.test(start.toString('latin1'));
}
