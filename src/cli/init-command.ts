import type {CAC} from 'cac';
import {flags} from './flags.ts';
import {flag, isTerminal, list, type Options, text} from './options.ts';
import {run} from './run-command.ts';

export function addInitCommand(cli: CAC): void {
  cli
    .command('init [template]', 'Write a commented spec to begin with; asks on a terminal')
    .option(...flags.file)
    .option('--name <name>', "Name of the image (default: the folder's on a terminal, else the template's)")
    .option('--distribution <name>', 'Distribution, e.g. debian')
    .option('--release <name>', 'Its release, by code name or version')
    .option('--mirror <uri>', "Where the distribution's packages are; needed where they are rpm packages")
    .option('-t, --target <name>', 'A target to build for; may be repeated')
    .option('-y, --yes', 'Ask nothing')
    .option('--force', 'Replace files that are there')
    .option('--list', 'Print the templates')
    .example('fgimage init web-server --name web --target openstack --yes')
    .action((template: string | undefined, options: Options) =>
      run(options, async () => {
        const {listStarters, runInit} = await import('./init.ts');
        if (flag(options, 'list')) return listStarters();
        const asks = !flag(options, 'yes') && process.stdin.isTTY && isTerminal();
        const {terminalAsker} = await import('./init-ask.ts');
        return runInit({
          template,
          file: text(options, 'file') ?? 'fgimage.yaml',
          name: text(options, 'name'),
          distribution: text(options, 'distribution'),
          release: text(options, 'release'),
          mirror: text(options, 'mirror'),
          targets: list(options, 'target'),
          force: flag(options, 'force'),
          asker: asks ? terminalAsker(process.stdin, process.stdout) : undefined,
        });
      }),
    );
}
