#!/usr/bin/env node
import {cac} from 'cac';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {packageVersion} from '../package-root.ts';
import type {ViewMode} from '../ui/view.ts';

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
  json: ['--json', 'Print JSON'],
} as const;

type Options = Readonly<Record<string, unknown>>;

const color = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;

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

cli
  .command('build [...images]', 'Build the images of a spec, or those named')
  .option(...flags.file)
  .option('-t, --target <name>', 'Only this target; may be repeated')
  .option('-o, --output <folder>', 'Where artifacts go', {default: 'artifacts'})
  .option(...flags.cacheDir)
  .option('-j, --jobs <n>', 'Stages to run at once (default: one for each processor, at least two)')
  .option('--no-test', 'Do not boot what is built')
  .option('--refresh', 'Ask the archives for newer packages; otherwise a second build does nothing')
  .option('--fail-fast', 'Stop at the first failure instead of finishing the other targets')
  .option('--json', 'Print one event a line')
  .option('-q, --quiet', 'Print only failures and where the artifacts are')
  .option('--verbose', "Print every stage's output")
  .example('fgimage build')
  .example('fgimage build web --target openstack --no-test')
  .action((images: string[], options: Options) =>
    run(options, async () => {
      const {outputFolder, runBuild} = await import('./build.ts');
      return runBuild({
        file: text(options, 'file') ?? 'fgimage.yaml',
        cacheDir: text(options, 'cacheDir'),
        output: outputFolder(text(options, 'output')),
        images: images.map(String),
        targets: list(options, 'target'),
        jobs: positiveInteger(options, 'jobs'),
        mode: viewMode(options),
        verbose: options['verbose'] === true,
        color,
        failFast: options['failFast'] === true,
        test: options['test'] !== false,
        refresh: options['refresh'] === true,
      });
    }),
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
    const similar = nearest(word, ['build', 'validate', 'config', 'schema', 'images', 'doctor']);
    throw new FgError('USAGE', `There is no command ${word}`, {
      hint: similar === undefined ? 'See fgimage --help' : `Did you mean fgimage ${similar}?`,
    });
  }),
);

async function run(options: Options, command: () => Promise<ExitCode>): Promise<void> {
  try {
    refuseExtraWords(options);
    process.exitCode = await command();
  } catch (error) {
    process.exitCode = await printError(error);
  }
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

/** The value of an option as it was typed, the last one where it is repeated: cac makes numbers of what looks like one. */
function text(options: Options, name: string): string | undefined {
  return list(options, name).at(-1);
}

function list(options: Options, name: string): readonly string[] {
  if (options[name] === undefined) return [];
  const long = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const short = {file: '-f', target: '-t', output: '-o', jobs: '-j'}[name];
  const words = process.argv.slice(2);
  const values = words.flatMap((word, index) => {
    if (word.startsWith(`${long}=`)) return [word.slice(long.length + 1)];
    if (word === long || word === short) return [words[index + 1] ?? ''];
    return short !== undefined && word.startsWith(short) && !word.startsWith('--')
      ? [word.slice(short.length).replace(/^=/, '')]
      : [];
  });
  if (values.includes('')) throw new FgError('USAGE', `${long} wants a value`, {hint: 'See fgimage --help'});
  return values;
}

function positiveInteger(options: Options, name: string): number | undefined {
  const value = text(options, name);
  if (value === undefined) return undefined;
  if (!/^[1-9]\d*$/.test(value))
    throw new FgError('USAGE', `--${name} wants a whole number from 1, not ${value}`);
  return Number(value);
}

function viewMode(options: Options): ViewMode {
  if (options['json'] === true) return 'json';
  if (options['quiet'] === true) return 'quiet';
  return process.stdout.isTTY && process.env['TERM'] !== 'dumb' && process.env['CI'] === undefined
    ? 'tty'
    : 'plain';
}

try {
  cli.parse(process.argv, {run: false});
  await cli.runMatchedCommand();
} catch (error) {
  process.exitCode = await printError(error);
}
