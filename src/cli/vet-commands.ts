import type {CAC} from 'cac';
import {addFlags, buildFlags, buildOptions, flags, sessionOptions} from './flags.ts';
import {flag, type Options, text} from './options.ts';
import {profileFlags} from './profiles.ts';
import {run} from './run-command.ts';
import type {VerdictOptions} from './verdict.ts';

/** Targets are named without an option, nothing is booted and nothing handed out. */
const vetFlags = buildFlags.filter(
  (one) => ![flags.target, flags.output, flags.noTest].some((left) => left === one),
);

/** Whatever shapes the plan: it is about the artifact that a build with the same words would make. */
const verdictFlags = [flags.file, ...profileFlags, flags.cacheDir, flags.noLock, flags.hostTools] as const;

/** The commands that decide whether an image may be registered. */
export function addVetCommands(cli: CAC): void {
  addFlags(
    cli.command(
      'vet <image> [...targets]',
      'Look for what should not be in an image: keys, passwords, logs …',
    ),
    vetFlags.map((one) => (one[0] === '--json' ? flags.json : one)),
  )
    .example('fgimage vet web openstack')
    .action((image: string, targets: string[], options: Options) =>
      run(options, async () =>
        (await import('./vet.ts')).runVet({
          build: {...buildOptions([image], options), targets: targets.map(String)},
          json: flag(options, 'json'),
        }),
      ),
    );

  addFlags(
    cli.command('approve <image> [...targets]', 'Say that an image may be registered as it is now'),
    verdictFlags,
  )
    .option('--reason <text>', 'Why; kept with who said it and when')
    .example('fgimage approve web openstack --reason "checked by hand, ticket 4711"')
    .action((image: string, targets: string[], options: Options) =>
      run(options, async () =>
        (await import('./verdict.ts')).runVerdict('approved', verdictOptions(image, targets, options)),
      ),
    );

  addFlags(
    cli.command('reject <image> [...targets]', 'Say that an image must not be registered as it is now'),
    verdictFlags,
  )
    .option('--reason <text>', 'Why; kept with who said it and when')
    .action((image: string, targets: string[], options: Options) =>
      run(options, async () =>
        (await import('./verdict.ts')).runVerdict('rejected', verdictOptions(image, targets, options)),
      ),
    );
}

function verdictOptions(image: string, targets: readonly string[], options: Options): VerdictOptions {
  const session = sessionOptions([image], options);
  return {session: {...session, targets: targets.map(String)}, reason: text(options, 'reason')};
}
