import {type ExitCode, exitCode} from '../errors.ts';
import {currentUser} from '../host/current-user.ts';
import {checkHost, type HostCheck, installCommand, isHostReady, missingPackages} from '../host/doctor.ts';
import {printable} from '../ui/format.ts';
import {createStyle, type Style} from '../ui/style.ts';
import {formatTable} from '../ui/table.ts';

export interface DoctorOptions {
  readonly install: boolean;
  readonly json: boolean;
  readonly cacheFolder?: string;
}

/** `fgimage doctor`: what the host has, what it lacks, how to get it; with `install`, gets the packages first. */
export async function runDoctor({install, json, cacheFolder}: DoctorOptions): Promise<ExitCode> {
  const options = cacheFolder === undefined ? {} : {cacheFolder};
  let checks = await checkHost(options);
  const packages = missingPackages(checks);
  if (install && packages.length > 0) {
    const {installPackages} = await import('../host/install.ts');
    const installed = await installPackages(packages);
    if (!installed.ok) {
      process.stderr.write(`error: ${installed.error.message}\n`);
      return exitCode.hostLacks;
    }
    checks = await checkHost(options);
  }
  const ready = isHostReady(checks);
  if (json) {
    process.stdout.write(`${JSON.stringify({ready, user: currentUser().name, checks}, undefined, 2)}\n`);
  } else {
    const style = createStyle(process.stdout.isTTY && process.env['NO_COLOR'] === undefined);
    process.stdout.write(`${formatDoctor(checks, style).join('\n')}\n`);
  }
  return ready ? exitCode.done : exitCode.hostLacks;
}

/** The table, what is needed first, and what to do next. */
export function formatDoctor(checks: readonly HostCheck[], style: Style): readonly string[] {
  const sorted = [...checks].sort(
    (a, b) => Number(a.severity === 'optional') - Number(b.severity === 'optional'),
  );
  const lines = formatTable([
    ['', 'what', 'found', 'how to get it'].map((text) => ({text, style: style.dim})),
    ...sorted.map((check) => [
      mark(check, style),
      {text: check.name},
      {text: printable(check.found)},
      {text: check.ok ? '' : (check.mend ?? '')},
    ]),
  ]);
  return [...lines, '', ...nextSteps(checks, style)];
}

function mark(
  {ok, severity}: HostCheck,
  style: Style,
): {readonly text: string; readonly style: (text: string) => string} {
  if (ok) return {text: 'has', style: style.green};
  return severity === 'needed'
    ? {text: 'LACKS', style: style.red}
    : {text: 'lacks (optional)', style: style.yellow};
}

function nextSteps(checks: readonly HostCheck[], style: Style): readonly string[] {
  const lacking = checks.filter(({ok, severity}) => !ok && severity === 'needed');
  if (lacking.length === 0) return [style.green('This host has all that is needed.')];
  const packages = missingPackages(lacking);
  return [
    style.red(`This host lacks ${lacking.map(({name}) => name).join(', ')}.`),
    ...(packages.length === 0
      ? []
      : [
          'All packages at once: fgimage doctor --install, or',
          `  sudo ${installCommand(packages).join(' ')}`,
        ]),
  ];
}
