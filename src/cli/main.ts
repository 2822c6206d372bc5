#!/usr/bin/env node
import {cac} from 'cac';
import {exitCode, FgError} from '../errors.ts';
import {packageVersion} from '../package-root.ts';
import {addAttestCommands} from './attest-commands.ts';
import {addBaseCommands} from './base-commands.ts';
import {addBundleCommands} from './bundle-commands.ts';
import {addCompareCommands} from './compare-commands.ts';
import {
  addFlags,
  buildFlags,
  buildOptions,
  color,
  flags,
  planFlags,
  planOptions,
  sessionOptions,
  valuesOf,
  wordsAfter,
} from './flags.ts';
import {addInitCommand} from './init-command.ts';
import {addLockCommands} from './lock-commands.ts';
import {flag, type Options, text} from './options.ts';
import {chosenProfiles, profileFlags} from './profiles.ts';
import {addRecipeCommands} from './recipe-commands.ts';
import {addRegisterCommands} from './register-commands.ts';
import {printError, run} from './run-command.ts';
import {addVetCommands} from './vet-commands.ts';

/**
 * The command line: words to options, errors to texts and exit codes. Each command loads its own code, so that
 * nothing is loaded that a run does not need.
 */
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

addInitCommand(cli);

addFlags(cli.command('build [...images]', 'Build the images of a spec, or those named'), buildFlags)
  .example('fgimage build')
  .example('fgimage build web --target openstack --no-test')
  .option('--bundle <archive>', 'Build what an archive of fgimage bundle holds, without a network')
  .option('--unpack <folder>', 'With --bundle: keep its project in this new folder')
  .option('--register', 'Then have the infrastructures know what was built, as fgimage register does')
  .action((images: string[], options: Options) =>
    run(
      options,
      async () => {
        const build = buildOptions(images, options);
        const bundle = text(options, 'bundle');
        if (flag(options, 'register') && bundle !== undefined) {
          throw new FgError('USAGE', 'What a bundle holds is not registered', {
            hint: 'Build it first, and then run fgimage register in its project',
          });
        }
        if (flag(options, 'register'))
          return (await import('./register.ts')).runRegister(build, {handOut: true});
        if (bundle === undefined) return (await import('./build.ts')).runBuild(build);
        const {runBundleBuild} = await import('./bundle-build.ts');
        return runBundleBuild({bundle, unpack: text(options, 'unpack'), build});
      },
      async () =>
        options['bundle'] === undefined && !flag(options, 'register')
          ? (await import('./quick.ts')).quickBuild(buildOptions(images, options))
          : undefined,
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

addBaseCommands(cli);

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
  .option(...profileFlags[0])
  .option(...profileFlags[1])
  .option('--network', "Let it use the host's network")
  .option(...flags.cacheDir)
  .option(...flags.noLock)
  .option(...flags.hostTools)
  .option(...flags.fromScratch)
  .example('fgimage shell web')
  .example('fgimage shell web:packages -- dpkg --list')
  .action((tree: string, options: Options) =>
    run({...options, '--': []}, async () =>
      (await import('./shell.ts')).runShell({
        tree,
        command: wordsAfter(options),
        session: sessionOptions([], options),
        network: flag(options, 'network'),
      }),
    ),
  );

cli
  .command('validate', 'Check a spec, without network')
  .option(...flags.file)
  .option(...profileFlags[0])
  .option(...profileFlags[1])
  .option(...flags.cacheDir)
  .action((options: Options) =>
    run(options, async () =>
      (await import('./validate.ts')).runValidate({
        file: text(options, 'file') ?? 'fgimage.yaml',
        profiles: chosenProfiles(options),
        cacheDir: text(options, 'cacheDir'),
        color,
      }),
    ),
  );

cli
  .command('config', 'Print the images of a spec as they are built, with everything merged')
  .option(...flags.file)
  .option(...profileFlags[0])
  .option(...profileFlags[1])
  .option(...flags.json)
  .action((options: Options) =>
    run(options, async () =>
      (await import('./config.ts')).runConfig({
        file: text(options, 'file') ?? 'fgimage.yaml',
        profiles: chosenProfiles(options),
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
  .command('sbom <image>', 'Print what is inside an image: SPDX, CycloneDX or our own inventory')
  .option('--format <format>', 'spdx, cyclonedx or inventory', {default: 'spdx'})
  .option('-o, --output <file>', 'Write it to a file')
  .option(...flags.cacheDir)
  .action((image: string, options: Options) =>
    run(options, async () =>
      (await import('./sbom.ts')).runSbom({
        image,
        format: text(options, 'format') ?? 'spdx',
        output: text(options, 'output'),
        cacheDir: text(options, 'cacheDir'),
      }),
    ),
  );

addLockCommands(cli);
addBundleCommands(cli);
addCompareCommands(cli);
addAttestCommands(cli);
addRecipeCommands(cli);
addRegisterCommands(cli);
addVetCommands(cli);

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

/**
 * cac knows its options by names like `dryRun` when it looks for those without a value: by `--dry-run`, it would take
 * the next word for one.
 */
function withBooleans(words: readonly string[]): string[] {
  const names = cli.commands.flatMap(({options}) =>
    options.filter(({isBoolean}) => isBoolean === true).map(({name}) => name),
  );
  const end = words.indexOf('--');
  return words.map((word, index) => {
    const name = /^--(?<name>[a-z]+(?:-[a-z]+)+)$/.exec(word)?.groups?.['name'];
    const camel = name?.replaceAll(/-(?<letter>[a-z])/g, (_, letter: string) => letter.toUpperCase());
    const isValueless = camel !== undefined && names.includes(camel) && (end === -1 || index < end);
    return isValueless ? `--${camel}` : word;
  });
}

try {
  cli.parse(withBooleans(process.argv), {run: false});
  await cli.runMatchedCommand();
} catch (error) {
  process.exitCode = await printError(error);
}
