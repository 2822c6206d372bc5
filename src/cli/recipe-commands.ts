import {resolve} from 'node:path';
import type {CAC} from 'cac';
import {addFlags, buildFlags, buildOptions, color, flags, planFlags, sessionOptions} from './flags.ts';
import {flag, type Options, text} from './options.ts';
import {profileFlags} from './profiles.ts';
import {run} from './run-command.ts';

/** Spec, profiles, targets, lock and tools are the recipe's. */
const regenerateFlags = [
  ...[flags.cacheDir, flags.noCache, flags.cache, flags.remoteCache, flags.offline],
  ...buildFlags.filter((one) => !planFlags.some((other) => other === one)),
];

/** The commands about what images were made from. */
export function addRecipeCommands(cli: CAC): void {
  cli
    .command(
      'pedigree <image>',
      'Show what an image stands on, with digests: templates, images, layers, lock',
    )
    .option(...flags.file)
    .option(...profileFlags[0])
    .option(...profileFlags[1])
    .option(...flags.cacheDir)
    .option(...flags.noLock)
    .option(...flags.json)
    .example('fgimage pedigree web/openstack')
    .example('fgimage pedigree 9c1e5a70d2f4')
    .action((image: string, options: Options) =>
      run(options, async () =>
        (await import('./pedigree.ts')).runPedigree({
          session: sessionOptions([], options),
          subject: image,
          json: flag(options, 'json'),
          color,
        }),
      ),
    );

  cli
    .command('purge <image>', 'Free what an image takes, and keep what it can be made again from')
    .option('--dry-run', 'Say what would be freed')
    .option(...flags.cacheDir)
    .option(...flags.json)
    .example('fgimage purge web/openstack')
    .action((image: string, options: Options) =>
      run(options, async () =>
        (await import('./purge.ts')).runPurge({
          subject: image,
          dryRun: flag(options, 'dryRun'),
          json: flag(options, 'json'),
          cacheDir: text(options, 'cacheDir'),
        }),
      ),
    );

  addFlags(
    cli.command('regenerate <image>', 'Make an image again that was built here once, and compare'),
    regenerateFlags,
  )
    .option('-o, --output <folder>', 'Where artifacts go (default: where they lay)')
    .example('fgimage regenerate web/openstack')
    .example('fgimage regenerate 9c1e5a70d2f4')
    .action((image: string, options: Options) =>
      run(options, async () => {
        const output = text(options, 'output');
        return (await import('./regenerate.ts')).runRegenerate({
          subject: image,
          output: output === undefined ? undefined : resolve(output),
          build: buildOptions([], options),
        });
      }),
    );
}
