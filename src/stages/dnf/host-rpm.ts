import {execFileSync} from 'node:child_process';
import type {RpmSystem} from '../../plan/rpm-sources.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext} from '../stage.ts';

/** Why the host's rpm cannot install packages of a release; undefined where it can. */
export function leastRpm(
  context: StageContext,
  {distribution, release, least_rpm: least}: Pick<RpmSystem, 'distribution' | 'release' | 'least_rpm'>,
): StageFailure | undefined {
  const said = execFileSync(context.tool('rpm'), ['--version'], {encoding: 'utf8', env: {LC_ALL: 'C'}});
  const version = /(?<version>\d+(?:\.\d+)+)/.exec(said)?.groups?.['version'] ?? '0';
  if (isAtLeast(version, least)) return undefined;
  return {
    reason: 'refused',
    message: `The packages of ${distribution} ${release} need rpm ${least} or later to be installed, and this host has ${version}`,
    details: ['An older rpm does not make the users that their files belong to'],
    hint: 'Build it on Debian 13 or later',
  };
}

/** Whether a version of numbers and dots is another, or a later one. */
export function isAtLeast(version: string, least: string): boolean {
  const [mine, other] = [version, least].map((text) => text.split('.').map(Number));
  for (const [index, number] of (other ?? []).entries()) {
    const own = mine?.[index] ?? 0;
    if (own !== number) return own > number;
  }
  return true;
}
