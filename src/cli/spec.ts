import {existsSync, readFileSync} from 'node:fs';
import {resolve} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {sha256} from '../../cache/tree.ts';
import {FgError} from '../errors.ts';
import {packageVersion} from '../package-root.ts';
import type {CacheSettings} from '../spec/cache-settings.ts';
import type {Position} from '../spec/diagnostic.ts';
import type {Image} from '../spec/image.ts';
import type {LoadedSpec} from '../spec/load.ts';
import type {ChosenProfiles} from '../spec/profiles.ts';

/** A spec as the commands need it: the images, where they came from, what was worth a warning. Plain JSON. */
export interface ReadSpec {
  readonly file: string;
  readonly projectDir: string;
  /** Of the project. */
  readonly name: string;
  /** SHA-256 over the spec, the files it extends, and the names of its profiles. */
  readonly digest: string;
  /** Profiles that were merged over it, in their order. */
  readonly profiles: readonly string[];
  readonly images: readonly Image[];
  /** Where each entry of an image's `packages` was written, by image. */
  readonly packagePositions: Readonly<Record<string, readonly (Position | null)[]>>;
  /** Printed texts. */
  readonly warnings: readonly string[];
  /** The spec and the files it extends. */
  readonly files: LoadedSpec['files'];
  readonly cache: CacheSettings;
}

/** Where a value of an image's section was written. */
export type SpecLocator = LoadedSpec['locate'];

/** Everything that is wrong with a spec, ready to print. */
export class SpecError extends FgError {
  readonly report: string;

  constructor(report: string) {
    super('SPEC_INVALID', 'The spec is not valid');
    this.report = report;
  }
}

export interface ReadOptions {
  readonly color: boolean;
  readonly profiles?: ChosenProfiles;
}

/** Reads and checks a spec. Throws `SpecError` with all that is wrong, `FgError` when there is none. */
export async function readSpec(file: string, {color, profiles}: ReadOptions): Promise<ReadSpec> {
  const {loadSpec} = await import('../spec/load.ts');
  const {formatDiagnostic, formatDiagnostics} = await import('../spec/diagnostic.ts');
  const loaded = await loadSpec({file, profiles});
  if (!loaded.ok) throw new SpecError(formatDiagnostics(loaded.error, {color}));
  const spec = loaded.value;
  const positions = spec.images.map(
    ({name, packages}) =>
      [name, packages.map((_, index) => spec.locate(name, ['packages', index]) ?? null)] as const,
  );
  return {
    file: spec.file,
    projectDir: spec.projectDir,
    name: spec.name,
    digest: sha256([...spec.files.map(({sha256: digest}) => digest), ...spec.profiles].join()),
    profiles: spec.profiles,
    images: spec.images,
    packagePositions: Object.fromEntries(positions),
    warnings: spec.warnings.map((warning) => formatDiagnostic(warning, {color})),
    files: spec.files,
    cache: spec.cache,
  };
}

/**
 * As `readSpec`, but a spec whose files are byte for byte those of an earlier reading is not parsed and checked
 * again. What the check found out about other files of the project (are they there?) the plan asks anew.
 */
export async function readSpecWithMemory(
  file: string,
  {color, profiles, store}: ReadOptions & {readonly store: Store},
): Promise<ReadSpec> {
  const chosen = profiles === undefined ? '' : `:${JSON.stringify(profiles)}`;
  const memo = `spec:3:${packageVersion()}:${resolve(file)}${chosen}`;
  const known = store.memo(memo);
  if (known !== undefined) {
    const remembered = JSON.parse(known) as ReadSpec;
    if (
      remembered.files.every(
        ({path, sha256: digest}) => existsSync(path) && sha256(readFileSync(path)) === digest,
      )
    )
      return remembered;
  }
  const spec = await readSpec(file, {color, profiles});
  if (spec.warnings.length === 0) store.setMemo(memo, JSON.stringify(spec));
  return spec;
}

/** Reads a spec that was read before once more, for its positions; none where it changed meanwhile and is wrong now. */
export async function specLocator({
  file,
  profiles,
}: Pick<ReadSpec, 'file' | 'profiles'>): Promise<SpecLocator> {
  const {loadSpec} = await import('../spec/load.ts');
  const loaded = await loadSpec({file, profiles});
  return loaded.ok ? (image, path) => loaded.value.locate(image, path) : () => undefined;
}
