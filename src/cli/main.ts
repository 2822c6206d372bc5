#!/usr/bin/env node
import {resolve} from 'node:path';
import {type Command, cac} from 'cac';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {packageVersion} from '../package-root.ts';
import type {BuildOptions} from './build.ts';
import {flag, isTerminal, list, type Options, oneOf, positiveInteger, text, viewMode} from './options.ts';
import type {PlanOptions} from './plan.ts';
import type {SessionOptions} from './session.ts';

/**
 * The command line: words to options, errors to texts and exit codes. Each command loads its own code, so that
 * nothing is loaded that a run does not need.
 */
const flags = {
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
} as const;

/** Flags of all commands that plan. */
const planFlags = [
  ...[flags.file, flags.target, flags.output, flags.cacheDir, flags.noTest, flags.refresh, flags.force],
  ...[flags.noCache, flags.cache, flags.remoteCache],
] as const;

/** Flags of the commands that build. */
const buildFlags = [
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

const color = process.env['NO_COLOR'] === undefined && isTerminal();

const cli = cac('fgimage');
cli.version(packageVersion());
// cac lists the catch-all command too, and calls a negated option's absence its default.
cli.help((sections) =>
  sections.map(({title, body}) => ({
    ...(title === undefined ? {} : {title}),
    body: body
      .replace('$ fgimage [...words]', '$ fgimage <command> [options]')
      .replaceAll(/^ *\[\.\.\.words\] *\n?/gm, '')
      .replaceAll(' (default: true)', ''),
  })),
);

addFlags(cli.command('build [...images]', 'Build the images of a spec, or those named'), buildFlags)
  .example('fgimage build')
  .example('fgimage build web --target openstack --no-test')
  .action((images: string[], options: Options) =>
    run(
      options,
      async () => (await import('./build.ts')).runBuild(buildOptions(images, options)),
      async () => (await import('./quick.ts')).quickBuild(buildOptions(images, options)),
    ),
  );

addFlags(cli.command('watch [...images]', 'Build, and again whenever an input changes'), buildFlags)
  .option(
    '--poll [seconds]',
    'Look for changes every so often (2 s), where the file system does not tell of them',
  )
  .action((images: string[], options: Options) =>
    run(options, async () => {
      const {pollSeconds, runWatch} = await import('./watch.ts');
      buildOptions(images, options); // What is wrong with these options is told now, not by each build.
      return runWatch({...sessionOptions(images, options), ...pollSeconds(options['poll'])});
    }),
  );

addFlags(cli.command('plan [...images]', 'Say what a build would do and why; nothing is written'), planFlags)
  .option(...flags.json)
  .option('--detailed-exitcode', 'Exit with 10 when there is something to do')
  .action((images: string[], options: Options) =>
    run(
      options,
      async () => (await import('./plan.ts')).runPlan(planOptions(images, options)),
      async () => (await import('./quick.ts')).quickPlan(planOptions(images, options)),
    ),
  );

addFlags(cli.command('explain <stage>', 'Say why a stage would run, down to what changed'), planFlags)
  .option('--against <run>', 'Compare with this run instead of the last one')
  .option(...flags.json)
  .action((stage: string, options: Options) =>
    run(options, async () =>
      (await import('./explain.ts')).runExplain({
        ...sessionOptions([], options),
        stage,
        against: text(options, 'against'),
        json: flag(options, 'json'),
      }),
    ),
  );

addFlags(
  cli.command(
    'why <artifact> <input>',
    'Show how an artifact comes to hold a package, file, option, tool or stage',
  ),
  planFlags,
)
  .example('fgimage why web/openstack setup.sh')
  .action((artifact: string, input: string, options: Options) =>
    run(options, async () =>
      (await import('./explain.ts')).runWhy({
        ...sessionOptions([], options),
        artifact,
        input,
      }),
    ),
  );

addFlags(cli.command('graph [...images]', 'Draw the stages, coloured by what a build would do'), planFlags)
  .option('--format <format>', 'mermaid, dot, json or svg', {default: 'mermaid'})
  .action((images: string[], options: Options) =>
    run(options, async () =>
      (await import('./explain.ts')).runGraphCommand({
        ...sessionOptions(images, options),
        format: text(options, 'format') ?? 'mermaid',
      }),
    ),
  );

cli
  .command('logs [stage]', "Print a stage's log, or list the stages of the last run")
  .option(...flags.file)
  .option('--run <id>', 'Of this run instead of the last one')
  .option(...flags.cacheDir)
  .action((stage: string | undefined, options: Options) =>
    run(options, async () =>
      (await import('./logs.ts')).runLogs({
        stage,
        run: text(options, 'run'),
        file: text(options, 'file') ?? 'fgimage.yaml',
        cacheDir: text(options, 'cacheDir'),
      }),
    ),
  );

cli
  .command('stats', 'Say what the cache saved, what is slow and what runs again and again')
  .option('-f, --file <path>', 'Only runs of this spec')
  .option(...flags.cacheDir)
  .option(...flags.json)
  .action((options: Options) =>
    run(options, async () =>
      (await import('./stats.ts')).runStats({
        file: text(options, 'file'),
        cacheDir: text(options, 'cacheDir'),
        json: flag(options, 'json'),
      }),
    ),
  );

cli
  .command('cache [action] [...names]', 'Tend the cache: gc, du, verify, rebuild, pin, unpin, pins, keygen')
  .option('--max-size <size>', 'gc: the most that the cache may hold, e.g. 40GiB')
  .option('--max-age <age>', 'gc: what was not used for so long goes, e.g. 30d')
  .option('--min-free <size>', 'gc: what is to stay free on its disk')
  .option('--keep-last <n>', 'gc: what the last n good runs used stays')
  .option('--dry-run', 'gc: say what would go')
  .option('--deep', 'verify: read every byte')
  .option('--repair', 'verify: set aside what is wrong, so that it is made again')
  .option('--trust', 'rebuild: do not read the content anew')
  .option(...flags.cacheDir)
  .option(...flags.json)
  .example('fgimage cache gc --max-size 40GiB --keep-last 2')
  .example('fgimage cache pin web/openstack')
  .action((action: string | undefined, names: string[], options: Options) =>
    run(options, async () =>
      (await import('./cache.ts')).runCache(action, names.map(String), {
        ...valuesOf(options, ['cacheDir', 'maxSize', 'maxAge', 'minFree', 'keepLast']),
        ...(flag(options, 'json') ? {json: true} : {}),
        ...(flag(options, 'dryRun') ? {dryRun: true} : {}),
        ...(flag(options, 'deep') ? {deep: true} : {}),
        ...(flag(options, 'repair') ? {repair: true} : {}),
        ...(flag(options, 'trust') ? {trust: true} : {}),
      }),
    ),
  );

cli
  .command('shell <tree>', 'Open a shell in a throw-away copy of an image, or of the tree of a stage')
  .option(...flags.file)
  .option('--network', "Let it use the host's network")
  .option(...flags.cacheDir)
  .example('fgimage shell web')
  .example('fgimage shell web:packages -- dpkg --list')
  .action((tree: string, options: Options) =>
    run({...options, '--': []}, async () =>
      (await import('./shell.ts')).runShell({
        tree,
        command: wordsAfter(options),
        file: text(options, 'file') ?? 'fgimage.yaml',
        cacheDir: text(options, 'cacheDir'),
        network: flag(options, 'network'),
        color,
      }),
    ),
  );

cli
  .command('validate', 'Check a spec, without network')
  .option(...flags.file)
  .option(...flags.cacheDir)
  .action((options: Options) =>
    run(options, async () =>
      (await import('./validate.ts')).runValidate({
        file: text(options, 'file') ?? 'fgimage.yaml',
        cacheDir: text(options, 'cacheDir'),
        color,
      }),
    ),
  );

cli
  .command('config', 'Print the images of a spec as they are built, with everything merged')
  .option(...flags.file)
  .option(...flags.json)
  .action((options: Options) =>
    run(options, async () =>
      (await import('./config.ts')).runConfig({
        file: text(options, 'file') ?? 'fgimage.yaml',
        json: options['json'] === true,
        color,
      }),
    ),
  );

cli
  .command('schema', 'Print the JSON Schema of specs, for editors')
  .action((options: Options) => run(options, async () => (await import('./schema.ts')).runSchema()));

cli
  .command('images', 'List what was built')
  .option(...flags.cacheDir)
  .option(...flags.json)
  .action((options: Options) =>
    run(options, async () =>
      (await import('./images.ts')).runImages({
        cacheDir: text(options, 'cacheDir'),
        json: options['json'] === true,
      }),
    ),
  );

cli
  .command('doctor', 'Say what this host has, lacks, and how to get it')
  .option('--install', 'Get it')
  .option(...flags.cacheDir)
  .option(...flags.json)
  .action((options: Options) =>
    run(options, async () => {
      const cacheFolder = text(options, 'cacheDir');
      const {runDoctor} = await import('./doctor.ts');
      return runDoctor({
        install: options['install'] === true,
        json: options['json'] === true,
        ...(cacheFolder === undefined ? {} : {cacheFolder}),
      });
    }),
  );

cli.command('[...words]', '').action((words: string[]) =>
  run({}, async () => {
    const word = words[0];
    if (word === undefined) {
      cli.outputHelp();
      return exitCode.usage;
    }
    const {nearest} = await import('../spec/nearest.ts');
    const names = cli.commands.map(({name}) => name).filter((name) => name !== '');
    const similar = nearest(word, names);
    throw new FgError('USAGE', `There is no command ${word}`, {
      hint: similar === undefined ? 'See fgimage --help' : `Did you mean fgimage ${similar}?`,
    });
  }),
);

/** Runs a command, unless `quick` has its answer already. */
async function run(
  options: Options,
  command: () => Promise<ExitCode>,
  quick?: () => Promise<ExitCode | undefined>,
): Promise<void> {
  try {
    refuseExtraWords(options);
    const known = await quick?.();
    if (known === undefined) endWithReader();
    process.exitCode = known ?? (await command());
  } catch (error) {
    process.exitCode = await printError(error);
  }
}

/** Whoever reads the output may stop reading it: `fgimage logs x | head`. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCode.done);
    throw error;
  });
}

/** Words after `--`, and options that cac has no name for. */
function refuseExtraWords(options: Options): void {
  const extra = options['--'];
  if (Array.isArray(extra) && extra.length > 0)
    throw new FgError('USAGE', `Unknown words: ${extra.join(' ')}`, {hint: 'See fgimage --help'});
}

async function printError(error: unknown): Promise<ExitCode> {
  if (error instanceof FgError) {
    const report = 'report' in error && typeof error.report === 'string' ? error.report : undefined;
    process.stderr.write(
      report === undefined
        ? `error: ${error.message}\n${error.hint === undefined ? '' : `  mend: ${error.hint}\n`}`
        : `${report.trimEnd()}\n`,
    );
    return error.exitCode;
  }
  if (error instanceof Error && error.name === 'CACError') {
    process.stderr.write(`error: ${error.message}\n  mend: See fgimage --help\n`);
    return exitCode.usage;
  }
  const {reportDefect} = await import('./defect.ts');
  return reportDefect(error);
}

/** What the words of a command that plans ask for. */
function sessionOptions(images: readonly string[], options: Options): SessionOptions {
  return {
    file: text(options, 'file') ?? 'fgimage.yaml',
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
  };
}

/** cac gives `--cache` the value true where it is not said, since there is a --no-cache. */
function cacheSwitches(options: Options): string | undefined {
  return options['cache'] === true && !process.argv.includes('--cache') ? undefined : text(options, 'cache');
}

function planOptions(images: readonly string[], options: Options): PlanOptions {
  return {
    ...sessionOptions(images, options),
    json: flag(options, 'json'),
    detailedExitCode: flag(options, 'detailedExitcode'),
  };
}

function buildOptions(images: readonly string[], options: Options): BuildOptions {
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

type Flag = readonly [rawName: string, description: string, config?: {readonly default: string}];

function addFlags(command: Command, list: readonly Flag[]): Command {
  for (const [name, description, config] of list) command.option(name, description, config);
  return command;
}

/** Options that take a value, those that were said. */
function valuesOf<const Name extends string>(
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
function wordsAfter(options: Options): readonly string[] {
  const words = options['--'];
  return Array.isArray(words) ? words.map(String) : [];
}

try {
  cli.parse(process.argv, {run: false});
  await cli.runMatchedCommand();
} catch (error) {
  process.exitCode = await printError(error);
}
