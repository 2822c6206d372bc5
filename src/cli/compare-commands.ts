import type {CAC} from 'cac';
import type {ViewMode} from '../ui/view.ts';
import {color, flags, sessionOptions} from './flags.ts';
import {flag, type Options, text} from './options.ts';
import {profileFlags} from './profiles.ts';
import {run} from './run-command.ts';

/** The commands that compare: builds with each other, and what two of them gave. */
export function addCompareCommands(cli: CAC): void {
  cli
    .command('verify <artifact>', 'Build an image again from its lock in a fresh place, and compare')
    .option(...flags.file)
    .option(...profileFlags[0])
    .option(...profileFlags[1])
    .option(...flags.output)
    .option('--keep', 'Leave the second build in the cache')
    .option('--vary', 'Give it another host name and one processor too')
    .option('--html <folder>', 'Where diffoscope, if it is installed, writes what differs as HTML')
    .option(...flags.cacheDir)
    .option(...flags.offline)
    .option(...flags.hostTools)
    .option(...flags.json)
    .option('-q, --quiet', 'Do not show the second build')
    .example('fgimage verify web/openstack')
    .action((artifact: string, options: Options) =>
      run(options, async () =>
        (await import('./verify-image.ts')).runVerify({
          ...sessionOptions([], options),
          artifact,
          keep: flag(options, 'keep'),
          vary: flag(options, 'vary'),
          html: text(options, 'html'),
          json: flag(options, 'json'),
          mode: progressMode(options),
        }),
      ),
    );

  cli
    .command('diff <a> <b>', 'Compare two images, two locks or two runs')
    .option('--files', 'Of images compare every path, not only what no package brought')
    .option(...flags.cacheDir)
    .option(...flags.json)
    .example('fgimage diff web/openstack db/openstack')
    .example('fgimage diff HEAD:fgimage.lock fgimage.lock')
    .example('fgimage diff run:3f2a run:91bc')
    .action((a: string, b: string, options: Options) =>
      run(options, async () =>
        (await import('./diff.ts')).runDiff({
          a,
          b,
          cacheDir: text(options, 'cacheDir'),
          files: flag(options, 'files'),
          json: flag(options, 'json'),
          color,
        }),
      ),
    );
}

/** Standard output is for the verdict. */
function progressMode(options: Options): ViewMode {
  if (flag(options, 'quiet')) return 'quiet';
  const {TERM: term, CI: ci} = process.env;
  return process.stderr.isTTY && term !== 'dumb' && ci === undefined ? 'tty' : 'plain';
}
