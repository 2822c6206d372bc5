import {resolve} from 'node:path';
import type {Command} from 'cac';
import type {BuildOptions} from './build.ts';
import {flag, isTerminal, list, type Options, oneOf, positiveInteger, text, viewMode} from './options.ts';
import type {PlanOptions} from './plan.ts';
import {chosenProfiles, profileFlags} from './profiles.ts';
import type {SessionOptions} from './session.ts';

/** Flags that several commands have, in cac's words. */
export const flags = {
  file: ['-f, --file <path>', 'The spec', {default: 'fgimage.yaml'}],
  cacheDir: [
    '--cache-dir <folder>',
    'The cache (else $FGIMAGE_CACHE, $XDG_CACHE_HOME/fgimage, ~/.cache/fgimage)',
  ],
  output: ['-o, --output <folder>', 'Where artifacts go', {default: 'artifacts'}],
  target: ['-t, --target <name>', 'Only this target; may be repeated'],
  noTest: ['--no-test', 'Do not boot what is built'],
  refresh: ['--refresh', 'Ask the archives for newer packages; otherwise a second build does nothing'],
  force: ['--force <stage>', 'Run this stage whether or not its key is known; may be repeated'],
  noCache: ['--no-cache', 'Make everything anew; what is made is kept all the same'],
  cache: ['--cache [switches]', 'What is done with the caches, e.g. local:rw,remote:r'],
  remoteCache: ['--remote-cache <url>', "A remote cache (else $FGIMAGE_REMOTE_CACHE, the spec's)"],
  json: ['--json', 'Print JSON'],
  locked: ['--locked', 'Fail (exit 5) where the lock does not answer the spec, in the place of renewing it'],
  noLock: ['--no-lock', 'Take what the archives have, whatever the lock says'],
  offline: ['--offline', 'Use no network: what is not at hand is an error'],
  fromScratch: [
    '--from-scratch',
    'Without a lock too, install all packages of an image on its own root, not the rest on what another image has',
  ],
  hostTools: ['--host-tools', "With a lock too, run the host's mke2fs, mksquashfs, qemu-img … on images"],
} as const;

/** Flags of all commands that plan. */
export const planFlags = [
  ...[
    flags.file,
    ...profileFlags,
    flags.target,
    flags.output,
    flags.cacheDir,
    flags.noTest,
    flags.refresh,
    flags.force,
  ],
  ...[flags.noCache, flags.cache, flags.remoteCache],
  ...[flags.locked, flags.noLock, flags.offline, flags.hostTools, flags.fromScratch],
] as const;

/** Flags of the commands that build. */
export const buildFlags = [
  ...planFlags,
  ['-j, --jobs <n>', 'Stages to run at once (default: one for each processor, at least two)'],
  ['--pool <name=n>', 'How much there is of cpu, memory (MiB), boots or transfers; may be repeated'],
  [
    '--fail <mode>',
    'After a failure: continue with the rest (default), finish what runs, or fast: end at once',
  ],
  ['--keep-work <when>', 'Keep the work of stages with a rerun.sh: never (default), on-failure, always'],
  ['--json', 'Print one event a line'],
  ['-q, --quiet', 'Print only failures and where the artifacts are'],
  ['--verbose', "Print every stage's output"],
  ['--replay', 'Print the output of cached stages too'],
] as const;

export const color = process.env['NO_COLOR'] === undefined && isTerminal();

/** What the words of a command that plans ask for. */
export function sessionOptions(images: readonly string[], options: Options): SessionOptions {
  return {
    file: text(options, 'file') ?? 'fgimage.yaml',
    profiles: chosenProfiles(options),
    cacheDir: text(options, 'cacheDir'),
    output: resolve(text(options, 'output') ?? 'artifacts'),
    images: images.map(String),
    targets: list(options, 'target'),
    test: options['test'] !== false,
    color,
    force: list(options, 'force'),
    refresh: flag(options, 'refresh'),
    // cac takes --no-cache for the opposite of --cache.
    cacheMode: options['cache'] === false ? 'local:w,remote:w' : cacheSwitches(options),
    remoteUrl: text(options, 'remoteCache'),
    useLock: options['lock'] !== false,
    locked: flag(options, 'locked'),
    offline: flag(options, 'offline'),
    hostTools: flag(options, 'hostTools'),
    fromScratch: flag(options, 'fromScratch'),
  };
}

/** cac gives `--cache` the value true where it is not said, since there is a --no-cache. */
function cacheSwitches(options: Options): string | undefined {
  return options['cache'] === true && !process.argv.includes('--cache') ? undefined : text(options, 'cache');
}

export function planOptions(images: readonly string[], options: Options): PlanOptions {
  return {
    ...sessionOptions(images, options),
    json: flag(options, 'json'),
    detailedExitCode: flag(options, 'detailedExitcode'),
  };
}

export function buildOptions(images: readonly string[], options: Options): BuildOptions {
  return {
    ...sessionOptions(images, options),
    jobs: positiveInteger(options, 'jobs'),
    pools: list(options, 'pool'),
    mode: viewMode(options),
    verbose: flag(options, 'verbose'),
    replay: flag(options, 'replay'),
    fail: oneOf(options, 'fail', ['continue', 'finish', 'fast']),
    keepWork: oneOf(options, 'keepWork', ['never', 'on-failure', 'always']),
  };
}

export type Flag = readonly [rawName: string, description: string, config?: {readonly default: string}];

export function addFlags(command: Command, list: readonly Flag[]): Command {
  for (const [name, description, config] of list) command.option(name, description, config);
  return command;
}

/** Options that take a value, those that were said. */
export function valuesOf<const Name extends string>(
  options: Options,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const values: Partial<Record<Name, string>> = {};
  for (const name of names) {
    const value = text(options, name);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** Words after `--`. */
export function wordsAfter(options: Options): readonly string[] {
  const words = options['--'];
  return Array.isArray(words) ? words.map(String) : [];
}
