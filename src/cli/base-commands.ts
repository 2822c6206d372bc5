import type {CAC} from 'cac';
import {FgError} from '../errors.ts';
import {flags} from './flags.ts';
import {flag, type Options, positiveInteger, text} from './options.ts';
import {run} from './run-command.ts';

/** `fgimage stats`, and what is about bases: `stats bases`, `prewarm`. */
export function addBaseCommands(cli: CAC): void {
  cli
    .command(
      'stats [what]',
      'Say what the cache saved, what is slow and what runs again and again; bases: which were missed',
    )
    .option('-f, --file <path>', 'Only runs of this spec')
    .option(...flags.cacheDir)
    .option(...flags.json)
    .example('fgimage stats bases')
    .action((what: string | undefined, options: Options) =>
      run(options, async () => {
        const asked = {
          file: text(options, 'file'),
          cacheDir: text(options, 'cacheDir'),
          json: flag(options, 'json'),
        };
        if (what === undefined) return (await import('./stats.ts')).runStats(asked);
        if (what === 'bases') return (await import('./stats-bases.ts')).runStatsBases(asked);
        throw new FgError('USAGE', `There are no statistics of ${what}`, {
          hint: 'Run "fgimage stats", or "fgimage stats bases"',
        });
      }),
    );

  cli
    .command('prewarm', 'Make the bases that were missed most often')
    .option('--top <n>', 'So many of them (default: 3)')
    .option(...flags.refresh)
    .option(...flags.cacheDir)
    .action((options: Options) =>
      run(options, async () => {
        const {runPrewarm, usualTop} = await import('./prewarm.ts');
        return runPrewarm({
          cacheDir: text(options, 'cacheDir'),
          top: positiveInteger(options, 'top') ?? usualTop,
          refresh: flag(options, 'refresh'),
        });
      }),
    );
}
