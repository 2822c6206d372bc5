import type {CAC} from 'cac';
import {addFlags, buildFlags, buildOptions, flags, planOptions} from './flags.ts';
import {flag, list, type Options, text} from './options.ts';
import {run} from './run-command.ts';

/** The commands that make images known to infrastructures. */
export function addRegisterCommands(cli: CAC): void {
  addFlags(
    cli.command('register [image] [...targets]', 'Build what is needed, and have infrastructures know it'),
    buildFlags,
  )
    .option('--plan', 'Say what would be done there, and do nothing')
    .option('--detailed-exitcode', 'With --plan: exit with 10 when there is something to do')
    .example('fgimage register web openstack')
    .example('fgimage register --plan')
    .action((image: string | undefined, targets: string[], options: Options) =>
      run(options, async () => {
        const images = image === undefined ? [] : [image];
        const named = {targets: [...list(options, 'target'), ...targets.map(String)]};
        if (flag(options, 'plan')) {
          const {runRegisterPlan} = await import('./register-plan.ts');
          return runRegisterPlan({...planOptions(images, options), ...named});
        }
        const {runRegister} = await import('./register.ts');
        return runRegister({...buildOptions(images, options), ...named}, {handOut: false});
      }),
    );

  cli
    .command('registrations', 'List what is registered where')
    .option('--check', 'Ask each infrastructure whether it is still so; exit with 1 where it is not')
    .option('--all', 'Also those that failed, are gone or were taken away')
    .option(...flags.json)
    .action((options: Options) =>
      run(options, async () =>
        (await import('./registrations.ts')).runRegistrations({
          check: flag(options, 'check'),
          all: flag(options, 'all'),
          json: flag(options, 'json'),
        }),
      ),
    );

  cli
    .command('deregister <image> [...targets]', 'Take away what fgimage registered of an image')
    .option('--only <id>', 'Only what has this id there, or an artifact whose digest begins so')
    .option('--dry-run', 'Say what would go')
    .option(...flags.cacheDir)
    .example('fgimage deregister web openstack')
    .action((image: string, targets: string[], options: Options) =>
      run(options, async () =>
        (await import('./deregister.ts')).runDeregister({
          image,
          targets: targets.map(String),
          only: text(options, 'only'),
          dryRun: flag(options, 'dryRun'),
          cacheDir: text(options, 'cacheDir'),
        }),
      ),
    );
}
