import {chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {type Recipe, recipeFile} from '../../cache/recipes.ts';
import type {Store} from '../../cache/store.ts';
import {digestFile} from '../../cache/tree.ts';
import {type CatalogImage, enterImage, imageAt} from '../catalog/catalog.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {packageVersion} from '../package-root.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import {loadSpec} from '../spec/load.ts';
import {printable} from '../ui/format.ts';
import {type BuildOptions, runStages} from './build.ts';
import {lendSecrets} from './lend-secrets.ts';
import {madeState, type RunDone} from './run-stages.ts';
import {openStore, refuseUserNamespace} from './session.ts';
import {findSubjects, recipeOf, type Subject} from './subjects.ts';

export interface RegenerateOptions {
  /** `web`, `web/openstack` or a digest. */
  readonly subject: string;
  /** Where artifacts go; absent: where they lay, else `artifacts`. */
  readonly output: string | undefined;
  /** How it is built; spec, profiles, output, images, targets and tests are the recipe's. */
  readonly build: BuildOptions;
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
  /** Absent: standard error. */
  readonly warnings?: {write(text: string): unknown};
}

/**
 * `fgimage regenerate`: makes an image again from what its build left in the cache, in a temporary project, and says
 * whether it is the same. Exit code 1 where it is not.
 */
export async function runRegenerate(options: RegenerateOptions, signal?: AbortSignal): Promise<ExitCode> {
  const {subject, build, warnings = process.stderr} = options;
  // Standard output is the events' where they are asked for.
  const {stream = build.mode === 'json' ? warnings : process.stdout} = options;
  process.umask(0o022);
  const cache = cacheFolder(build.cacheDir);
  if (!isRoot()) {
    // The build would start this command once more in there: so all of it runs there from the beginning.
    if (!canEnterUserNamespace()) await refuseUserNamespace(cache);
    return (await enterUserNamespace(signal)) as ExitCode;
  }
  const parts = withStore(cache, (store) => {
    const subjects = findSubjects(store, subject);
    return subjects.map((one) => ({one, recipe: recipeOf(one), output: outputOf(one, options.output)}));
  });
  const codes: ExitCode[] = [];
  for (const {one, recipe, output} of parts) {
    const name = printable(`${recipe.image}/${recipe.target}`);
    warnings.write(warningOf(recipe, name));
    const before = withStore(cache, (store) =>
      imageAt(store.database, join(output, recipe.image, recipe.target)),
    );
    const made = await again(recipe, {options, cache, output, signal});
    if (made.code === exitCode.done && made.digest !== undefined)
      withStore(cache, (store) => keepVerdict(store, before, one));
    codes.push(made.digest === undefined ? made.code : compare(recipe, made, {name, output, stream}));
    if (codes.at(-1) === exitCode.cancelled) break;
  }
  return codes.find((code) => code !== exitCode.done) ?? exitCode.done;
}

/** What may have moved on since, so that another artifact is no surprise; empty: nothing. */
function warningOf({lock, host_tools: hostTools}: Recipe, name: string): string {
  if (lock === undefined)
    return (
      `warning: ${name} was built without a lock: packages, and programs of this host, may be newer now\n` +
      '  mend: Lock the project before the next build (fgimage lock)\n'
    );
  if (hostTools === true)
    return (
      `warning: ${name} was built with programs of this host, which may be newer now\n` +
      '  mend: Leave --host-tools out of the next build\n'
    );
  return '';
}

interface Made {
  readonly code: ExitCode;
  /** Undefined: nothing was made. */
  readonly digest: string | undefined;
}

async function again(
  recipe: Recipe,
  {
    options: {build},
    cache,
    output,
    signal,
  }: {
    readonly options: RegenerateOptions;
    readonly cache: string;
    readonly output: string;
    readonly signal: AbortSignal | undefined;
  },
): Promise<Made> {
  const project = mkdtempSync(join(tmpdir(), 'fgimage-regenerate-'));
  try {
    withStore(cache, (store) => layOut(store, recipe, project));
    const loaded = await loadSpec({file: join(project, recipe.spec), profiles: recipe.profiles});
    if (loaded.ok) lendSecrets(loaded.value.images, {project, from: recipe.project});
    const locked = recipe.lock !== undefined;
    const request: BuildOptions = {
      ...{...build, file: join(project, recipe.spec), profiles: recipe.profiles, output},
      ...{images: [recipe.image], targets: [recipe.target], test: false},
      ...{useLock: locked, locked, hostTools: recipe.host_tools === true},
    };
    let digest: string | undefined;
    const purpose = {
      stages: ({pack, sbom}: {readonly pack: string; readonly sbom: string}) => [pack, sbom],
      handOut: true,
      reads: () => false,
      after: ({session, states}: RunDone): Promise<ExitCode> => {
        const [delivery] = session.plan.deliveries;
        digest = delivery === undefined ? undefined : madeState(states, delivery.pack)?.output.digest;
        return Promise.resolve(exitCode.done);
      },
    };
    const code = await runStages(request, purpose, signal);
    return {code, digest: code === exitCode.done ? digest : undefined};
  } finally {
    rmSync(project, {recursive: true, force: true});
  }
}

/** Writes the project as it was; links last, so that nothing is written through one. */
function layOut({layout}: Store, {entries, image, target}: Recipe, project: string): void {
  for (const entry of entries) {
    const path = join(project, entry.path);
    mkdirSync(entry.kind === 'folder' ? path : dirname(path), {recursive: true});
    if (entry.kind !== 'file') continue;
    const from = recipeFile(layout, entry.sha256);
    if (!existsSync(from) || digestFile(from) !== entry.sha256)
      throw new FgError(
        'RECORD_UNUSABLE',
        `${printable(entry.path)}, which ${image}/${target} was made from, is not in the cache as it was`,
        {hint: `Build it from its project (fgimage build ${image}), or from a record or bundle`},
      );
    copyFileSync(from, path);
    chmodSync(path, entry.executable ? 0o755 : 0o644);
  }
  for (const entry of entries) {
    if (entry.kind === 'link') symlinkSync(entry.target, join(project, entry.path));
  }
}

function compare(
  recipe: Recipe,
  {digest}: Made,
  {
    name,
    output,
    stream,
  }: {readonly name: string; readonly output: string; readonly stream: {write(text: string): unknown}},
): ExitCode {
  const where = printable(join(output, recipe.image, recipe.target));
  if (digest === recipe.digest) {
    stream.write(`${name}: the same, byte for byte, as before: ${where}\n`);
    return exitCode.done;
  }
  stream.write(
    `${name} differs: ${digest?.slice(0, 12) ?? ''} now, ${recipe.digest.slice(0, 12)} before: ${where}\n`,
  );
  if (recipe.fgimage !== packageVersion())
    stream.write(`It was made by fgimage ${printable(recipe.fgimage)}, this is ${packageVersion()}\n`);
  return exitCode.differs;
}

/** Where an artifact lay: `<output>/<image>/<target>`, the newest place first. */
function outputOf({rows}: Subject, said: string | undefined): string {
  const [row] = rows;
  return said ?? (row === undefined ? join(process.cwd(), 'artifacts') : dirname(dirname(row.path)));
}

/** The same bytes were booted before: that still holds. */
function keepVerdict({database}: Store, before: CatalogImage | undefined, {digest}: Subject): void {
  const now = before === undefined ? undefined : imageAt(database, before.path);
  if (before?.digest !== digest || now?.digest !== digest || before.tested === now.tested) return;
  enterImage(database, {...now, tested: before.tested});
}

function withStore<T>(cache: string, use: (store: Store) => T): T {
  const store = openStore(cache);
  try {
    return use(store);
  } finally {
    store.close();
  }
}
