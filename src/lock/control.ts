import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import {cleanEnvironment} from '../sandbox/environment.ts';
import {tied} from '../stages/host-command.ts';

const run = promisify(execFile);
const largestOutput = 256 << 20;
const script = 'set -e; for file; do printf "\\000"; dpkg-deb --field "$file"; done';

/** deb-control(5) of packages, as `dpkg-deb --field` prints it, in their order. Throws where one is no package. */
export async function controlFields(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (paths.length === 0) return [];
  const [program, ...parameters] = tied('/bin/sh', '-c', script, 'sh', ...paths);
  const {stdout} = await run(program, parameters, {
    env: cleanEnvironment,
    signal,
    maxBuffer: largestOutput,
    encoding: 'utf8',
  });
  return stdout.split('\0').slice(1);
}
