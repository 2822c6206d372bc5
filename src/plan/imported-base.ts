import {readdirSync, statSync} from 'node:fs';
import {basename, join} from 'node:path';
import {FgError, isErrno} from '../errors.ts';
import {type ImageBase, importPath} from '../spec/base.ts';
import type {Os} from '../spec/image.ts';
import type {GraphBuilder} from './graph-builder.ts';
import {json} from './image-words.ts';
import type {Roots} from './roots.ts';

export interface ImportedBaseOptions {
  readonly os: Os;
  readonly projectDir: string;
  readonly graph: GraphBuilder;
  readonly roots: Roots;
}

/** Raised when the code of an import changes what it writes. */
const importVersion = 2;

/**
 * The stage that makes an existing image a base. Its key holds what the image is: the file's digest, that of a layout's
 * index.json, which names the rest by digest, or the manifest's in a registry. Throws `FgError` where the project's file
 * is not what the spec says.
 */
export function importedBase(base: ImageBase, {os, projectDir, graph, roots}: ImportedBaseOptions): string {
  const {import: source, sha256} = base;
  if (roots.lock !== undefined) {
    throw new FgError('LOCK_INVALID', `An image that is built on ${source} cannot be locked`, {
      hint: 'Build with --no-lock, or keep the image in a project of its own without fgimage.lock',
    });
  }
  const path = importPath(source);
  const files = path === undefined ? [] : filesOf(projectDir, path);
  const [first = ''] = files;
  if (path !== undefined && sha256 !== undefined) {
    if (files.length > 1) throw notPinned(path);
    requireDigest(graph.fingerprint(first), {sha256, path: first});
  }
  const {distribution, release, architecture} = os;
  return graph.add({
    id: `base:import-${nameOf(source)}`,
    kind: 'base',
    title: `import ${source}`,
    dependsOn: [],
    layers: [],
    params: {
      import: path === undefined ? {source, ...(sha256 === undefined ? {} : {sha256})} : {source},
      import_version: importVersion,
      os: {distribution, release, architecture},
      ...roots.archives.epoch(os),
    },
    files,
    origins: [
      {param: ['import'], spec: ['base']},
      {param: [], spec: ['os']},
    ],
    notes: {base: json(base), os: json(os)},
  });
}

/**
 * What of the project says which image it is: one file whose digest stands for the rest, or all of them. Only an index.json
 * with `oci-layout` beside it is one that the rest is read by.
 */
function filesOf(projectDir: string, path: string): readonly string[] {
  const isThere = (name: string): boolean =>
    statSync(join(projectDir, path, name), {throwIfNoEntry: false}) !== undefined;
  const isFolder = statSync(join(projectDir, path), {throwIfNoEntry: false})?.isDirectory() === true;
  if (!isFolder) return [path];
  if (isThere('index.json') && isThere('oci-layout')) return [join(path, 'index.json')];
  try {
    return readdirSync(join(projectDir, path), {recursive: true, withFileTypes: true})
      .filter((entry) => entry.isFile())
      .map((entry) => join(path, entry.parentPath.slice(join(projectDir, path).length), entry.name))
      .sort();
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'ENOENT')) throw error;
    throw new FgError('SPEC_INVALID', `Cannot read ${path}, which the spec names`, {
      cause: error,
      hint: 'Restore the folder or take it out of the spec',
    });
  }
}

function notPinned(path: string): FgError {
  return new FgError(
    'SPEC_INVALID',
    `${path} is no OCI layout, and no digest of one file tells what is in it`,
    {
      hint: 'Remove base.sha256, or make a layout of it (skopeo copy docker-archive:… oci:FOLDER)',
    },
  );
}

function requireDigest(
  fingerprint: string,
  {sha256, path}: {readonly sha256: string; readonly path: string},
): void {
  const found = fingerprint.replace(/\+x$/, '');
  if (found === sha256) return;
  throw new FgError('SPEC_INVALID', `${path} is not what base.sha256 says: it is ${found}`, {
    hint: 'It was replaced or damaged: restore it, or write the digest of what it is now',
  });
}

/** For people: the last part of a path, or of a name in a registry with its tag. */
function nameOf(source: string): string {
  const name = basename(source.replace(/@sha256:[0-9a-f]+$/, ''));
  return name.replaceAll(/[^A-Za-z0-9._-]+/g, '-');
}
