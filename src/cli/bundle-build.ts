import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {type ExitCode, exitCode, FgError, isErrno} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {Bundle} from '../lock/bundle.ts';
import type {BundleManifest} from '../lock/bundle-manifest.ts';
import {RunScope} from '../run/scope.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import {formatCount, printable} from '../ui/format.ts';
import type {BuildOptions} from './build.ts';
import {openStore, refuseUserNamespace} from './session.ts';

export interface BundleBuildOptions {
  /** The archive. */
  readonly bundle: string;
  /** A new folder for its project, which stays; absent: one that is removed at the end. */
  readonly unpack?: string | undefined;
  /** How it is built; the spec is the bundle's. */
  readonly build: BuildOptions;
}

/**
 * `fgimage build --bundle`: makes the images of a bundle, with what is in it and nothing else, and says whether they
 * are those that its maker had.
 */
export async function runBundleBuild(options: BundleBuildOptions, signal?: AbortSignal): Promise<ExitCode> {
  const {build} = options;
  process.umask(0o022);
  if (!isRoot()) {
    // The build would start this command once more in there: so all of it runs there from the beginning.
    if (!canEnterUserNamespace()) await refuseUserNamespace(cacheFolder(build.cacheDir));
    return (await enterUserNamespace(signal)) as ExitCode;
  }
  const bundle = await Bundle.open(options.bundle);
  const project = options.unpack ?? mkdtempSync(join(tmpdir(), 'fgimage-bundle-'));
  try {
    const images = imagesOf(bundle.manifest, build.images);
    await bundle.unpackProject(resolve(project));
    const code = await withPackages(bundle, build, async () => {
      const {runBuild} = await import('./build.ts');
      const {spec, profiles = []} = bundle.manifest;
      const from = {file: join(project, spec), profiles, images, ...onlyWhatIsHere(build)};
      return runBuild({...build, ...from}, signal);
    });
    if (code === exitCode.done) compare(bundle.manifest, build);
    return code;
  } finally {
    bundle.close();
    if (options.unpack === undefined) rmSync(project, {recursive: true, force: true});
  }
}

/** Takes the bundle's packages into the cache; gc leaves them there as long as `use` takes. */
async function withPackages<T>(
  bundle: Bundle,
  {cacheDir, mode}: BuildOptions,
  use: () => Promise<T>,
): Promise<T> {
  const store = openStore(cacheFolder(cacheDir));
  const scope = new RunScope(store);
  try {
    const {imported, known} = await bundle.importPackages(store.layout.packages, scope.scratch('bundle'));
    if (mode === 'plain' || mode === 'tty') {
      const here = known === 0 ? '' : `, ${String(known)} were here already`;
      process.stdout.write(`${formatCount(imported, 'package')} from ${bundle.path}${here}\n`);
    }
    return await use();
  } finally {
    scope.close();
    store.close();
  }
}

function onlyWhatIsHere({
  cacheMode,
}: BuildOptions): Pick<BuildOptions, 'useLock' | 'locked' | 'offline' | 'refresh' | 'cacheMode'> {
  // The bundle's spec may name a remote cache: it is not to be asked.
  return {
    useLock: true,
    locked: true,
    offline: true,
    refresh: false,
    cacheMode: cacheMode ?? 'local:rw,remote:off',
  };
}

function imagesOf({images}: BundleManifest, wanted: readonly string[]): readonly string[] {
  for (const name of wanted) {
    if (!images.includes(name)) {
      throw new FgError('USAGE', `There is no image ${name} in the bundle`, {
        hint: `Its images are ${images.join(', ')}`,
      });
    }
  }
  return wanted.length === 0 ? images : wanted;
}

/** Says of each artifact that the bundle's maker had built too whether it is the same. */
function compare({artifacts, fgimage}: BundleManifest, {output, mode}: BuildOptions): void {
  for (const {image, target, files} of artifacts) {
    const made = madeFiles(join(output, image, target));
    if (made === undefined) continue;
    const others = files.filter(({path, sha256}) => made.get(path) !== sha256);
    const names = others.map(({path}) => printable(path)).join(', ');
    if (others.length > 0) {
      process.stderr.write(
        `warning: ${image}/${target} is not what it was where the bundle was made (fgimage ${printable(fgimage)}): ${names}\n`,
      );
    } else if (mode !== 'json') {
      process.stdout.write(`${image}/${target}: the same, byte for byte, as where the bundle was made\n`);
    }
  }
}

/** What manifest.json of an artifact says; undefined where this build did not make it. */
function madeFiles(folder: string): ReadonlyMap<string, string> | undefined {
  try {
    const {files} = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      readonly files: readonly {readonly path: string; readonly sha256: string}[];
    };
    return new Map(files.map(({path, sha256}) => [path, sha256]));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
