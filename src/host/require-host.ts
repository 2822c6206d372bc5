import {type ErrorCode, FgError} from '../errors.ts';
import {fail, ok, type Result} from '../result.ts';
import {type CheckHostOptions, checkHost, installCommand, missingPackages} from './doctor.ts';
import type {HostCheck} from './host-check.ts';

/** For a build: everything needed is there, or the error that says all that lacks and exactly what to change. */
export async function requireHost(options: CheckHostOptions): Promise<Result<undefined, FgError>> {
  const error = hostError(await checkHost(options));
  return error === undefined ? ok(undefined) : fail(error);
}

/** The error that checks amount to; undefined when nothing needed lacks. */
export function hostError(checks: readonly HostCheck[]): FgError | undefined {
  const lacking = checks.filter(({ok, severity}) => !ok && severity === 'needed');
  const first = lacking[0];
  if (first === undefined) return undefined;
  const found = lacking.map((check) => `${check.name}: ${check.found}`);
  const message =
    found.length === 1 ? `This host lacks ${found.join()}` : ['This host lacks', ...found].join('\n  ');
  const packages = missingPackages(lacking);
  const mends = [
    ...(packages.length === 0 ? [] : [`sudo ${installCommand(packages).join(' ')}`]),
    ...lacking.flatMap((check) =>
      check.package === undefined && check.mend !== undefined ? [check.mend] : [],
    ),
  ];
  return new FgError(errorCode(first), message, mends.length === 0 ? {} : {hint: mends.join('\n  ')});
}

function errorCode(check: HostCheck): ErrorCode {
  if (check.package !== undefined) return 'HOST_TOOL_MISSING';
  if (/subordinate|namespace|userns/.test(check.name)) return 'HOST_USERNS';
  return check.name.startsWith('room') ? 'NO_SPACE' : 'CACHE_UNUSABLE';
}
