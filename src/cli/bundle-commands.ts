import type {CAC} from 'cac';
import {addFlags, flags, sessionOptions} from './flags.ts';
import {flag, type Options, text} from './options.ts';
import {profileFlags} from './profiles.ts';
import {run} from './run-command.ts';

const sources = ['--sources', 'The source packages too'] as const;

/** The commands that take an image's packages elsewhere. */
export function addBundleCommands(cli: CAC): void {
  addFlags(
    cli.command(
      'fetch [...images]',
      'Bring all packages of fgimage.lock, so that build --offline can do without a network',
    ),
    [
      flags.file,
      ...profileFlags,
      sources,
      flags.cacheDir,
      flags.cache,
      flags.remoteCache,
      flags.hostTools,
      flags.json,
    ],
  ).action((images: string[], options: Options) =>
    run(options, async () =>
      (await import('./fetch.ts')).runFetch({
        ...sessionOptions(images, options),
        sources: flag(options, 'sources'),
        json: flag(options, 'json'),
      }),
    ),
  );

  addFlags(
    cli.command(
      'bundle [...images]',
      'Write one archive from which a machine without a network makes the images',
    ),
    [
      flags.file,
      ...profileFlags,
      ['-o, --output <file>', 'The archive', {default: 'bundle.tar'}],
      sources,
      ...[flags.offline, flags.cacheDir, flags.cache, flags.remoteCache, flags.hostTools],
    ],
  )
    .example('fgimage bundle -o experiment.tar')
    .example('fgimage build --bundle experiment.tar')
    .action((images: string[], options: Options) =>
      run(options, async () =>
        (await import('./bundle.ts')).runBundle({
          ...sessionOptions(images, options),
          archive: text(options, 'output') ?? 'bundle.tar',
          sources: flag(options, 'sources'),
        }),
      ),
    );
}
