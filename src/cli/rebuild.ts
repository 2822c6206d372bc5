import {readFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {type ExpectedSet, type Experiment, openExperiment} from '../attest/experiment.ts';
import {type ExitCode, exitCode} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {packageVersion} from '../package-root.ts';
import {RunScope} from '../run/scope.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import {printable} from '../ui/format.ts';
import type {BuildOptions} from './build.ts';
import {openStore, refuseUserNamespace} from './session.ts';

export interface RebuildOptions {
  /** The file of a record or a bundle. */
  readonly record: string;
  /** A folder for the project and its artifacts; absent: `<image>-rebuilt`. */
  readonly folder?: string | undefined;
  /** Whether only the record is checked, and nothing built. */
  readonly check: boolean;
  /** How it is built; spec, output, images, targets and tests are the record's. */
  readonly build: BuildOptions;
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
}

/** `fgimage rebuild`: makes images again from their record, and holds the result against it. */
export async function runRebuild(options: RebuildOptions, signal?: AbortSignal): Promise<ExitCode> {
  const experiment = await openExperiment(options.record);
  try {
    return await makeAgain(experiment, options, signal);
  } finally {
    experiment.close();
  }
}

async function makeAgain(
  experiment: Experiment,
  {record, check, build, folder: wanted, stream = process.stdout}: RebuildOptions,
  signal: AbortSignal | undefined,
): Promise<ExitCode> {
  const {images, spec, profiles, expected} = experiment;
  process.umask(0o022);
  if (check) {
    const told = expected.length === 0 ? images.join(', ') : named(expected);
    stream.write(`${record}: whole, ${experiment.contents} for ${told}\n`);
    return exitCode.done;
  }
  if (!isRoot()) {
    // The build would start this command once more in there: so all of it runs there from the beginning.
    if (!canEnterUserNamespace()) await refuseUserNamespace(cacheFolder(build.cacheDir));
    return (await enterUserNamespace(signal)) as ExitCode;
  }
  const folder = resolve(wanted ?? `${images.join('-')}-rebuilt`);
  await experiment.layOut(folder);
  const output = join(folder, 'artifacts');
  const targets = [...new Set(expected.map(({target}) => target))];
  const request: BuildOptions = {
    ...{...build, file: join(folder, spec), profiles, output, images, targets, test: false},
    ...{useLock: true, locked: true, hostTools: false},
    // What is in a bundle is all that its build needs.
    ...(experiment.importPackages === undefined
      ? {}
      : {offline: true, refresh: false, cacheMode: build.cacheMode ?? 'local:rw,remote:off'}),
  };
  const code = await withPackages(experiment, build.cacheDir, async () => {
    const {runBuild} = await import('./build.ts');
    return runBuild(request, signal);
  });
  return code === exitCode.done ? compare(experiment, {output, stream}) : code;
}

/** Takes the packages that come along into the cache; gc leaves them there as long as `use` takes. */
async function withPackages<T>(
  {importPackages}: Experiment,
  cacheDir: string | undefined,
  use: () => Promise<T>,
): Promise<T> {
  if (importPackages === undefined) return await use();
  const store = openStore(cacheFolder(cacheDir));
  const scope = new RunScope(store);
  try {
    await importPackages({packages: store.layout.packages, work: scope.scratch('bundle')});
    return await use();
  } finally {
    scope.close();
    store.close();
  }
}

/** Tells of each artifact whether it is what the record says. */
function compare(
  {expected, version}: Experiment,
  {output, stream}: {readonly output: string; readonly stream: {write(text: string): unknown}},
): ExitCode {
  if (expected.length === 0) {
    stream.write('Nothing to compare with: no artifacts are told of\n');
    return exitCode.done;
  }
  const differing = expected.flatMap((set) => differences(set, output));
  if (differing.length === 0) {
    stream.write(`${named(expected)}: the same, byte for byte, as in the record\n`);
    return exitCode.done;
  }
  for (const line of differing) stream.write(`${printable(line)}\n`);
  if (version !== packageVersion())
    stream.write(`The record was made by fgimage ${printable(version)}, this is ${packageVersion()}\n`);
  return exitCode.differs;
}

function differences({image, target, files}: ExpectedSet, output: string): readonly string[] {
  const manifest = readFileSync(join(output, image, target, 'manifest.json'), 'utf8');
  const {files: list} = JSON.parse(manifest) as {
    readonly files: readonly {readonly path: string; readonly sha256: string}[];
  };
  const made = new Map(list.map(({path, sha256}) => [path, sha256]));
  const paths = [...new Set([...files.keys(), ...made.keys()])].sort();
  const told = (digest: string | undefined): string => digest?.slice(0, 16) ?? 'not there';
  return paths.flatMap((path) => {
    const [now, before] = [made.get(path), files.get(path)];
    return now === before
      ? []
      : [`${image}/${target}/${path} differs: ${told(now)} now, ${told(before)} in the record`];
  });
}

function named(expected: readonly ExpectedSet[]): string {
  return printable(expected.map(({image, target}) => `${image}/${target}`).join(', '));
}
