import {type BigIntStats, lstatSync, readFileSync, readlinkSync, statSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {cacheLayout} from '../../cache/layout.ts';
import {packageRoot} from '../package-root.ts';
import type {DeliveredFiles} from './deliver.ts';
import type {Output, StageCached, StagePlanned} from './events.ts';

/**
 * What was there when a build had nothing left to do, so that the next one knows by stat(2) alone that nothing has changed:
 * no plan, no keys, no database. Whatever differs, or cannot be told apart, is left to the real plan. Never holds
 * anything that the plan does not find out anew.
 */
export interface Unchanged {
  readonly version: typeof unchangedVersion;
  /** `Place.asked` */
  readonly asked: string;
  readonly file: string;
  readonly images: readonly string[];
  /** The lock that the plan followed. */
  readonly lock?: string;
  readonly stages: readonly UnchangedStage[];
  readonly outputs: readonly Output[];
  /** Whatever the plan read, by path: what stat said of it, `-` where there was nothing. */
  readonly watched: readonly (readonly [path: string, stamp: string])[];
  /** Artifacts as they lie in the output folder: where its link leads, and the files' sizes. */
  readonly delivered: readonly DeliveredFiles[];
}

export interface UnchangedStage {
  readonly planned: Pick<StagePlanned, 'stage' | 'title' | 'image' | 'target' | 'dependsOn'>;
  readonly kind: string;
  readonly cached: Pick<StageCached, 'key' | 'digest' | 'savedMs' | 'log'>;
}

export const unchangedVersion = 2;

/** What a command asks for, as far as its answer hangs on it. */
export interface Request {
  readonly file: string;
  readonly profiles?: readonly string[] | undefined;
  readonly output: string;
  readonly images: readonly string[];
  readonly targets: readonly string[];
  readonly test: boolean;
  readonly useLock: boolean;
  readonly locked: boolean;
  readonly hostTools: boolean;
  readonly fromScratch: boolean;
}

/** Where what is remembered of a request lies, and all that the plan takes from the command line and the environment. */
export interface Place {
  readonly path: string;
  readonly asked: string;
}

export function placeOf(cache: string, request: Request): Place {
  const {file, profiles, output, images, targets, test, useLock, locked, hostTools, fromScratch} = request;
  const {PATH = '', ...env} = process.env;
  const own = Object.entries(env).filter(([name]) => /^(?:FGIMAGE_|APT_)/.test(name));
  // Of this boot: what was not flushed before the machine went down is for the real plan to find out.
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8');
  const asked = [
    boot,
    // Another fgimage on this machine may plan otherwise.
    packageRoot,
    resolve(file),
    resolve(output),
    images,
    targets,
    test,
    [useLock, locked, hostTools, fromScratch],
    profiles ?? null,
    PATH,
    own.sort(),
    process.getuid?.(),
  ];
  const text = JSON.stringify(asked);
  return {path: join(cacheLayout(resolve(cache)).unchanged, `${shortHash(text)}.json`), asked: text};
}

/** FNV-1a, twice with other beginnings: for a name only, what was asked stands in the file. node:crypto takes time to load. */
function shortHash(text: string): string {
  return [0x811c9dc5, 0x01000193]
    .map((start) => {
      let hash = start;
      for (let index = 0; index < text.length; index += 1)
        hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
      return (hash >>> 0).toString(16).padStart(8, '0');
    })
    .join('');
}

/** What a former build left behind, if everything is still as it was then; undefined: plan. */
export function readUnchanged({path, asked}: Place): Unchanged | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const known = JSON.parse(text) as Unchanged;
    const same =
      (known.version as number) === unchangedVersion &&
      known.asked === asked &&
      known.watched.every(([watched, stamp]) => stampOf(watched) === stamp) &&
      known.delivered.every(isThere);
    return same ? known : undefined;
  } catch {
    // Of another form than it should have: written by another version, or by nobody.
    return undefined;
  }
}

function isThere({path, link, files}: DeliveredFiles): boolean {
  return (
    readlinkSync(path) === link &&
    files.every(([name, sizeBytes]) => statSync(join(path, name)).size === sizeBytes)
  );
}

/**
 * What stat(2) says of a file, and of the link that it may be; of a folder, what changes with its entries; of a place
 * that cannot be looked into, as another user's folder in PATH, why not.
 */
export function stampOf(path: string): string {
  try {
    const own = lstatSync(path, {bigint: true, throwIfNoEntry: false});
    if (own === undefined) return '-';
    if (!own.isSymbolicLink()) return text(own);
    const target = statSync(path, {bigint: true, throwIfNoEntry: false});
    return `${text(own)}>${target === undefined ? '-' : text(target)}`;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}

function text({dev, ino, size, mtimeNs, ctimeNs}: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

/** fgimage itself: its package, and in a clone what the compiler wrote last. */
export const ownFiles: readonly string[] = [
  join(packageRoot, 'package.json'),
  join(packageRoot, 'dist/.tsbuildinfo'),
];
