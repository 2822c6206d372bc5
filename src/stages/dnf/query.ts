import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {RpmPackage} from '../../inventory/rpms.ts';
import {packageRoot} from '../../package-root.ts';
import type {RpmSystem} from '../../plan/rpm-sources.ts';
import {ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext} from '../stage.ts';
import {mountPoint, runInTree} from '../tree.ts';
import {python, rpmEnvironment} from './resolve.ts';

/** What rpm's database in a tree tells, and where it lies as files (src/stages/scripts/rpm-query.py). */
export interface RpmFacts {
  readonly packages: readonly RpmPackage[];
  readonly kernels: readonly string[];
  readonly folder: string;
}

/** Asks the database of the stage's tree, by the host's rpm. */
export async function queryRpms(context: StageContext): Promise<Result<RpmFacts, StageFailure>> {
  const {database} = context.node.params['rpm'] as unknown as RpmSystem;
  const folder = join(context.work, 'rpm-facts');
  const looked = join(context.work, 'rpm-looked');
  for (const one of [folder, looked]) mkdirSync(one, {recursive: true});
  // Reading takes a lock beside the database, which is no part of the stage.
  const done = await runInTree(
    {...context, output: looked},
    {
      inside: 'host',
      command: [
        python,
        join(packageRoot, 'src/stages/scripts/rpm-query.py'),
        mountPoint(context),
        database,
        folder,
      ],
      shown: ['rpm', '--query', '--all'],
      writable: true,
      env: rpmEnvironment,
    },
  );
  if (!done.ok) return done;
  const kernels = readFileSync(join(folder, 'kernels'), 'utf8').split('\n');
  return ok({
    packages: JSON.parse(readFileSync(join(folder, 'packages.json'), 'utf8')) as readonly RpmPackage[],
    kernels: kernels.filter((line) => line !== ''),
    folder,
  });
}
