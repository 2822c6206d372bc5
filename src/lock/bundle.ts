import {createHash} from 'node:crypto';
import {closeSync, mkdirSync, openSync, readdirSync, rmSync, symlinkSync, writeSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {makeFolder} from '../../cache/make-folder.ts';
import {FgError, isErrno} from '../errors.ts';
import {type BundleManifest, parseManifest, pathProblem} from './bundle-manifest.ts';
import {listTar, readMember, TarError, type TarMember} from './bundle-tar.ts';
import {PackageStore, type StoredFile} from './store-packages.ts';

/** The name of the member that says what the others are. */
export const manifestName = 'bundle.json';
const largestManifestBytes = 64 << 20;

/**
 * An archive of `fgimage bundle`, open to read. Nothing in it is believed before all of it was compared with its
 * manifest: paths, kinds, sizes and digests (docs/reference/bundle.md).
 */
export class Bundle {
  readonly path: string;
  readonly manifest: BundleManifest;
  readonly #archive: number;
  readonly #members: ReadonlyMap<string, TarMember>;

  private constructor(
    path: string,
    {
      archive,
      manifest,
      members,
    }: {readonly archive: number; readonly manifest: BundleManifest; readonly members: readonly TarMember[]},
  ) {
    this.path = path;
    this.manifest = manifest;
    this.#archive = archive;
    this.#members = new Map(members.map((member) => [member.path, member]));
  }

  /** Opens a bundle and checks all of it; writes nothing. Throws `FgError` for what is not as it must be. */
  static async open(path: string): Promise<Bundle> {
    const archive = openToRead(path);
    try {
      const members = listTar(archive);
      const bundle = new Bundle(path, {archive, members, manifest: readManifest(archive, members)});
      await bundle.#check();
      return bundle;
    } catch (error) {
      closeSync(archive);
      if (error instanceof TarError) throw invalid(path, error.message);
      throw error;
    }
  }

  close(): void {
    closeSync(this.#archive);
  }

  /** The .debs, by the names that the package store has them under. */
  get packages(): readonly (StoredFile & {readonly member: string})[] {
    return this.#below('packages/').map(([member, {size, sha256}]) => ({
      member,
      fileName: basename(member).replace(/~sha256-[0-9a-f]{64}(?=\.[^.]*$)/, ''),
      sizeBytes: size,
      sha256,
    }));
  }

  /** Writes the project into a folder that is new or empty. */
  async unpackProject(folder: string): Promise<void> {
    this.#makeFolder(folder);
    await this.#unpack('project/', folder);
    for (const name of this.manifest.folders) mkdirSync(join(folder, name), {recursive: true});
    // Last, so that nothing was written through one.
    for (const {path, target} of this.manifest.links) {
      mkdirSync(dirname(join(folder, path)), {recursive: true});
      symlinkSync(target, join(folder, path));
    }
  }

  /** Writes the source packages into a folder that is new or empty; gives how many files there are. */
  async unpackSources(folder: string): Promise<number> {
    this.#makeFolder(folder);
    await this.#unpack('sources/', folder);
    return this.#below('sources/').length;
  }

  /** Takes the .debs that a package store does not have into it; `work`: a folder of its own on the same file system. */
  async importPackages(packages: string, work: string): Promise<{imported: number; known: number}> {
    const store = new PackageStore(packages);
    let imported = 0;
    mkdirSync(work, {recursive: true});
    for (const one of this.packages) {
      if (store.has(one)) continue;
      const path = join(work, one.sha256);
      rmSync(path, {force: true});
      await this.#write(one.member, path);
      store.keep(path, one);
      imported += 1;
    }
    return {imported, known: this.packages.length - imported};
  }

  #below(folder: string): readonly (readonly [string, {readonly size: number; readonly sha256: string}])[] {
    return Object.entries(this.manifest.members).filter(([path]) => path.startsWith(folder));
  }

  async #unpack(prefix: string, folder: string): Promise<void> {
    for (const [member] of this.#below(prefix)) {
      const path = join(folder, member.slice(prefix.length));
      mkdirSync(dirname(path), {recursive: true});
      await this.#write(member, path);
    }
  }

  #makeFolder(folder: string): void {
    try {
      makeFolder(folder);
      if (readdirSync(folder).length === 0) return;
    } catch (error) {
      if (!isErrno(error, 'EEXIST', 'ENOENT', 'ENOTDIR', 'EACCES', 'EROFS', 'EPERM')) throw error;
      throw unusable(folder, error);
    }
    throw unusable(folder, undefined);
  }

  /** Compares everything that is in the archive with its manifest, and the other way round. */
  async #check(): Promise<void> {
    const told = new Set([...Object.keys(this.manifest.members), manifestName]);
    for (const path of this.#members.keys())
      if (!told.has(path)) throw new TarError(`bundle.json does not know ${JSON.stringify(path)}`);
    for (const path of told)
      if (!this.#members.has(path)) throw new TarError(`${JSON.stringify(path)} is missing`);
    for (const path of Object.keys(this.manifest.members)) await this.#digest(path, () => undefined);
  }

  async #write(member: string, path: string): Promise<void> {
    const mode = this.#members.get(member)?.executable === true ? 0o755 : 0o644;
    const out = openSync(path, 'wx', mode);
    try {
      await this.#digest(member, (chunk) => {
        for (let at = 0; at < chunk.length; ) at += writeSync(out, chunk, at);
      });
    } catch (error) {
      rmSync(path, {force: true});
      throw error instanceof TarError ? invalid(this.path, error.message) : error;
    } finally {
      closeSync(out);
    }
  }

  async #digest(path: string, use: (chunk: Buffer) => void): Promise<void> {
    const member = this.#members.get(path);
    const told = this.manifest.members[path];
    if (member === undefined || told === undefined) throw new Error(`The bundle has no ${path}`);
    const hash = createHash('sha256');
    for (const chunk of readMember(this.#archive, member)) {
      hash.update(chunk);
      use(chunk);
      await new Promise(setImmediate);
    }
    const got = hash.digest('hex');
    if (member.sizeBytes !== told.size || got !== told.sha256) {
      throw new TarError(
        `${JSON.stringify(path)} is not what bundle.json says: its SHA-256 is ${got}, not ${told.sha256}`,
      );
    }
  }
}

function openToRead(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) throw error;
    throw new FgError('USAGE', `Cannot read the bundle ${path}`, {
      cause: error,
      hint: 'Name an archive that "fgimage bundle" wrote',
    });
  }
}

function readManifest(archive: number, members: readonly TarMember[]): BundleManifest {
  const problem = pathProblem(members.map(({path}) => path).filter((path) => path !== manifestName));
  if (problem !== undefined) throw new TarError(problem);
  const [member, second] = members.filter(({path}) => path === manifestName);
  if (member === undefined) throw new TarError('there is no bundle.json in it');
  if (second !== undefined) throw new TarError('"bundle.json" is in it twice');
  if (member.sizeBytes > largestManifestBytes) throw new TarError('bundle.json is too large');
  const manifest = parseManifest(Buffer.concat([...readMember(archive, member)]).toString('utf8'));
  if (typeof manifest === 'string') throw new TarError(manifest);
  return manifest;
}

function invalid(path: string, why: string): FgError {
  return new FgError('BUNDLE_INVALID', `${path} is no bundle that can be used: ${why}`, {
    hint: 'Copy it again from where it was made; nothing was taken from it',
  });
}

function unusable(folder: string, cause: unknown): FgError {
  return new FgError('OUTPUT_UNUSABLE', `Cannot unpack the bundle into ${folder}`, {
    cause,
    hint: 'Name a folder that is new or empty',
  });
}
