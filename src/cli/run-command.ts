import {type ExitCode, exitCode, FgError} from '../errors.ts';
import type {Options} from './options.ts';

/** Runs a command, unless `quick` has its answer already. */
export async function run(
  options: Options,
  command: () => Promise<ExitCode>,
  quick?: () => Promise<ExitCode | undefined>,
): Promise<void> {
  try {
    refuseExtraWords(options);
    const known = await quick?.();
    if (known === undefined) endWithReader();
    process.exitCode = known ?? (await command());
  } catch (error) {
    process.exitCode = await printError(error);
  }
}

/** Whoever reads the output may stop reading it: `fgimage logs x | head`. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCode.done);
    throw error;
  });
}

/** Words after `--`, and options that cac has no name for. */
function refuseExtraWords(options: Options): void {
  const extra = options['--'];
  if (Array.isArray(extra) && extra.length > 0)
    throw new FgError('USAGE', `Unknown words: ${extra.join(' ')}`, {hint: 'See fgimage --help'});
}

export async function printError(error: unknown): Promise<ExitCode> {
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
