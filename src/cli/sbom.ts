import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {sha256} from '../../cache/tree.ts';
import {type CatalogImage, listImages} from '../catalog/catalog.ts';
import {type ExitCode, exitCode, FgError, isErrno, isNoSpace} from '../errors.ts';
import {documentNames} from '../inventory/inventory.ts';
import {nearest} from '../spec/nearest.ts';
import {readStore} from './read-store.ts';

export type SbomFormat = keyof typeof documentNames;

export interface SbomOptions {
  /** `web`, where it has one target, or `web/openstack`. */
  readonly image: string;
  /** As it was typed. */
  readonly format: string;
  /** A file to write; absent: standard output. */
  readonly output: string | undefined;
  readonly cacheDir: string | undefined;
}

/** `fgimage sbom`: a document of an image as it was built last. Throws `FgError` for what a user can mend. */
export function runSbom({image, format, output, cacheDir}: SbomOptions): ExitCode {
  const name = documentNames[formatOf(format)];
  const text = readDocument(findImage(image, cacheDir), name);
  if (output === undefined) process.stdout.write(text);
  else write(output, text);
  return exitCode.done;
}

function formatOf(word: string): SbomFormat {
  if (Object.hasOwn(documentNames, word)) return word as SbomFormat;
  throw new FgError('USAGE', `There is no format ${word} of a document`, {
    hint: `There are ${Object.keys(documentNames).sort().join(', ')}`,
  });
}

function findImage(word: string, cacheDir: string | undefined): CatalogImage {
  const store = readStore(cacheDir);
  let images: readonly CatalogImage[];
  try {
    images = listImages(store.database);
  } finally {
    store.close();
  }
  const newest = new Map(images.toReversed().map((one) => [nameOf(one), one]));
  const found = [...newest.values()].filter((one) => one.image === word || nameOf(one) === word);
  const [only] = found;
  if (only === undefined) {
    const names = [...newest.keys()].sort();
    const similar = nearest(word, [...names, ...images.map((one) => one.image)]);
    throw new FgError('NOT_BUILT', `No image ${word} was built`, {
      hint:
        similar === undefined
          ? names.length === 0
            ? 'Build it first: fgimage build'
            : `There are ${names.join(', ')}`
          : `Did you mean ${similar}?`,
    });
  }
  if (found.length > 1) {
    throw new FgError('USAGE', `The image ${word} has several targets`, {
      hint: `Name one: ${found.map(nameOf).sort().join(', ')}`,
    });
  }
  return only;
}

function nameOf({image, target}: CatalogImage): string {
  return `${image}/${target}`;
}

/** The document as it was handed out, and nothing else. */
function readDocument({image, target, path}: CatalogImage, name: string): string {
  const hint = `Hand it out again: fgimage build ${image} --target ${target}`;
  try {
    const text = readFileSync(join(path, name), 'utf8');
    const {documents = []} = JSON.parse(readFileSync(join(path, 'manifest.json'), 'utf8')) as {
      readonly documents?: readonly {readonly path: string; readonly sha256: string}[];
    };
    const told = documents.find((one) => one.path === name);
    if (told?.sha256 !== sha256(text))
      throw new FgError('NOT_BUILT', `${join(path, name)} is not what was built`, {hint});
    return text;
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES'))
      throw new FgError('NOT_BUILT', `${image}/${target} no longer lies in ${path}`, {hint, cause: error});
    throw error;
  }
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    if (isNoSpace(error))
      throw new FgError('NO_SPACE', `No space left for ${path}`, {
        cause: error,
        hint: 'Free some space there',
      });
    if (isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EISDIR')) {
      const why = error instanceof Error ? error.message : '';
      throw new FgError('OUTPUT_UNUSABLE', `Cannot write ${path}: ${why}`, {
        cause: error,
        hint: 'Name a file that you can write with -o',
      });
    }
    throw error;
  }
}
