import type {CAC} from 'cac';
import type {ChosenProfiles} from '../spec/profiles.ts';
import {color, flags} from './flags.ts';
import {flag, type Options, text} from './options.ts';
import {chosenProfiles, profileFlags} from './profiles.ts';
import {run} from './run-command.ts';

/** The commands around fgimage.lock. */
export function addLockCommands(cli: CAC): void {
  cli
    .command('lock', 'Write fgimage.lock: everything that the images are made of, by digest')
    .option(...flags.file)
    .option(...profileFlags[0])
    .option(...profileFlags[1])
    .option('--check', 'Only say whether the lock answers the spec (exit 5 where not); no network is used')
    .option(...flags.cacheDir)
    .option(...flags.json)
    .action((options: Options) =>
      run(options, async () =>
        (await import('./lock.ts')).runLock({...lockOptions(options), check: flag(options, 'check')}),
      ),
    );

  cli
    .command('update [...packages]', 'Renew fgimage.lock, or these packages in it and what they need')
    .option(...flags.file)
    .option(...profileFlags[0])
    .option(...profileFlags[1])
    .option('--dry-run', 'Say what would change, and leave the lock as it is')
    .option(...flags.cacheDir)
    .option(...flags.json)
    .example('fgimage update')
    .example('fgimage update openssl nginx')
    .action((packages: string[], options: Options) =>
      run(options, async () =>
        (await import('./lock.ts')).runUpdate({
          ...lockOptions(options),
          packages: packages.map(String),
          dryRun: flag(options, 'dryRun'),
        }),
      ),
    );
}

function lockOptions(options: Options): {
  file: string;
  profiles: ChosenProfiles;
  cacheDir: string | undefined;
  json: boolean;
  color: boolean;
} {
  return {
    file: text(options, 'file') ?? 'fgimage.yaml',
    profiles: chosenProfiles(options),
    cacheDir: text(options, 'cacheDir'),
    json: flag(options, 'json'),
    color,
  };
}
