import {closeSync, fsyncSync, openSync, renameSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {digestFile, sha256} from '../../cache/tree.ts';
import {FgError, isErrno} from '../errors.ts';
import {packageVersion} from '../package-root.ts';
import {manifestName} from './bundle.ts';
import {type BundleManifest, pathProblem} from './bundle-manifest.ts';
import {type TarFile, writeTar} from './bundle-tar.ts';
import type {StoredFile} from './store-packages.ts';

/** A file of a package store, by the path that it has now. */
export interface BundledFile extends StoredFile {
  readonly path: string;
}

export interface BundleContents {
  /** Absolute path of the project's folder. */
  readonly projectDir: string;
  /** The spec, relative to it. */
  readonly spec: string;
  /** The profiles that are merged over it. */
  readonly profiles: readonly string[];
  /** All files of the project that go with it, the spec and the lock among them, relative to it. */
  readonly files: readonly string[];
  readonly links: BundleManifest['links'];
  readonly folders: readonly string[];
  readonly images: readonly string[];
  readonly packages: readonly BundledFile[];
  readonly sources: readonly BundledFile[];
  readonly artifacts: BundleManifest['artifacts'];
  /** The time that all members carry, in seconds. */
  readonly mtime: number;
}

/**
 * Writes a bundle (docs/reference/bundle.md): the same bytes for the same contents. Nothing lies at `out` before it is
 * whole. Gives its size. Throws `FgError` for what a user can mend.
 */
export async function writeBundle(
  out: string,
  contents: BundleContents,
  {
    signal,
    onBytes,
  }: {
    readonly signal?: AbortSignal;
    readonly onBytes?: (bytes: number, total: number) => void;
  } = {},
): Promise<number> {
  const members = [
    ...contents.files.map((path) => projectMember(contents.projectDir, path)),
    ...storeMembers('packages', contents.packages),
    ...storeMembers('sources', contents.sources),
    readme(contents),
  ].sort(byPath);
  const problem = pathProblem(
    [...members.map(({path}) => path), ...contents.links.map(({path}) => `project/${path}`)],
    contents.folders.map((path) => `project/${path}`),
  );
  if (problem !== undefined) {
    throw new FgError('SPEC_INVALID', `The project cannot be put into a bundle: ${problem}`, {
      hint: 'Rename the file, or name it in the spec without a link on the way',
    });
  }
  const text = `${JSON.stringify(manifestOf(contents, members), undefined, 2)}\n`;
  const files = [...members, memberOf(manifestName, Buffer.from(text))].sort(byPath);
  const total = files.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0);
  const fresh = `${out}.${String(process.pid)}.part`;
  try {
    const archive = openSync(fresh, 'w', 0o644);
    try {
      await writeTar(archive, files, {
        mtime: contents.mtime,
        onBytes: (bytes) => {
          signal?.throwIfAborted();
          onBytes?.(bytes, total);
        },
      });
      fsyncSync(archive);
    } finally {
      closeSync(archive);
    }
    renameSync(fresh, out);
    return statSync(out).size;
  } catch (error) {
    throw outputError(error, out);
  } finally {
    rmSync(fresh, {force: true});
  }
}

function manifestOf(contents: BundleContents, members: readonly TarFile[]): BundleManifest {
  const {spec, profiles, images, links, folders, artifacts} = contents;
  return {
    version: 1,
    fgimage: packageVersion(),
    spec,
    ...(profiles.length === 0 ? {} : {profiles: [...profiles]}),
    images: [...images],
    members: Object.fromEntries(
      members.map(({path, sizeBytes, sha256: digest}) => [path, {size: sizeBytes, sha256: digest}]),
    ),
    links: [...links].sort(byPath),
    folders: [...folders].sort(),
    artifacts: [...artifacts],
  };
}

function projectMember(projectDir: string, path: string): TarFile {
  const file = join(projectDir, path);
  try {
    const {size, mode} = statSync(file);
    const executable = (mode & 0o100) !== 0;
    return {path: `project/${path}`, sizeBytes: size, sha256: digestFile(file), executable, content: {file}};
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) throw error;
    throw new FgError('SPEC_INVALID', `Cannot read ${path}, which belongs to the project`, {
      cause: error,
      hint: 'Restore the file or take it out of the spec',
    });
  }
}

/** Two archives may have a package of one name with other bytes: further ones have their digest in the name. */
function storeMembers(folder: string, files: readonly BundledFile[]): readonly TarFile[] {
  const names = new Map<string, string>();
  return [...files]
    .sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1))
    .flatMap(({fileName, sizeBytes, sha256: digest, path: file}) => {
      const known = names.get(fileName);
      if (known === digest) return [];
      if (known === undefined) names.set(fileName, digest);
      const dot = fileName.lastIndexOf('.');
      const name =
        known === undefined ? fileName : `${fileName.slice(0, dot)}~sha256-${digest}${fileName.slice(dot)}`;
      return [{path: `${folder}/${name}`, sizeBytes, sha256: digest, executable: false, content: {file}}];
    });
}

function memberOf(path: string, content: Buffer): TarFile {
  return {path, sizeBytes: content.length, sha256: sha256(content), executable: false, content};
}

function readme({images, spec, sources}: BundleContents): TarFile {
  const text = `This archive holds everything that these images are made of: ${images.join(', ')}.

  project/     the spec (${spec}), fgimage.lock, and the files that they name
  packages/    the Debian packages of fgimage.lock, as the archives had them
${sources.length === 0 ? '' : '  sources/     the source packages of those\n'}  bundle.json  size and SHA-256 of every file, and of the artifacts where they had been built

To make the images from it, on a machine with fgimage and without a network:

  fgimage build --bundle <this archive> -o artifacts

To look at it first:

  tar -xf <this archive>
  fgimage validate -f project/${spec}
`;
  return memberOf('README.txt', Buffer.from(text));
}

function byPath(a: {readonly path: string}, b: {readonly path: string}): number {
  return Buffer.compare(Buffer.from(a.path), Buffer.from(b.path));
}

function outputError(error: unknown, out: string): unknown {
  if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EISDIR')) return error;
  return new FgError('OUTPUT_UNUSABLE', `Cannot write the bundle to ${out}`, {
    cause: error,
    hint: 'Name a file in a folder that you can write with -o',
  });
}
