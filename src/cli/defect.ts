import {type ExitCode, exitCode} from '../errors.ts';
import {packageVersion} from '../package-root.ts';

/** An error that no user can cause: a ready-made report instead of a bare stack. */
export function reportDefect(error: unknown): ExitCode {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `error: fgimage has a defect. Nothing that was built is lost; please report what follows.\n` +
      `  fgimage ${packageVersion()}, Node ${process.version}, ${process.platform}/${process.arch}\n` +
      `  fgimage ${process.argv.slice(2).join(' ')}\n${stack.replaceAll(/^/gm, '  ')}\n`,
  );
  return exitCode.defect;
}
