import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {bringDebs} from '../../lock/bring.ts';
import {packageRoot} from '../../package-root.ts';
import type {RpmSystem} from '../../plan/rpm-sources.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {AptRequest, Installed} from '../apt.ts';
import {requiredInput} from '../inputs.ts';
import type {StageContext} from '../stage.ts';
import {mountPoint, runInTree, scratchFile} from '../tree.ts';
import {leastRpm} from './host-rpm.ts';
import {type NeededRpm, python, type Resolved, resolveRpms, rpmEnvironment} from './resolve.ts';
import {verifyRpms} from './verify.ts';

/**
 * Installs and removes rpm packages in the stage's tree. The host's dnf resolves them without network, the host's apt
 * fetches them into the shared package cache by the digests of the repositories' metadata, rpmkeys verifies each
 * signature, and the host's rpm installs them, again without network; their scriptlets run in the tree.
 */
export async function installRpms(
  context: StageContext,
  {install, remove, archive: stage}: AptRequest,
): Promise<Result<Installed, StageFailure>> {
  if (install.length === 0 && remove.length === 0) return ok({known: context.isKnown({packages: []}, stage)});
  const system = context.node.params['rpm'] as unknown as RpmSystem;
  const old = leastRpm(context, system);
  if (old !== undefined) return fail(old);
  const archive = requiredInput(context, stage).path;
  context.progress('Resolving packages');
  const resolved = await resolveRpms(context, {install, remove, archive, system});
  if (!resolved.ok) return resolved;
  const needed = resolved.value.install;
  const packages = needed.map(({fileName, sha256}) => `${fileName} ${sha256}`).sort();
  if (context.isKnown({packages}, stage)) return ok({known: true});
  const folder = join(context.work, 'rpms');
  mkdirSync(folder, {recursive: true});
  const fetched = await fetchRpms(context, needed, folder);
  if (!fetched.ok) return fetched;
  context.progress('Verifying signatures');
  const verified = await verifyRpms(context, needed, {archive, folder});
  if (!verified.ok) return verified;
  const done = await runTransaction(context, resolved.value, {folder, system});
  return done.ok ? ok({known: false}) : done;
}

function fetchRpms(
  context: StageContext,
  needed: readonly NeededRpm[],
  folder: string,
): Promise<Result<unknown, StageFailure>> {
  return bringDebs(
    needed.map(({uri, ...one}) => ({...one, uris: [uri], snapshotUris: []})),
    {
      packages: context.store.layout.packages,
      work: context.work,
      offline: context.offline,
      remote: context.remotePackages,
      into: folder,
      mend: 'The repository has moved on since its metadata was read: run the build with --refresh',
      log: context.log,
      signal: context.signal,
      progress: context.progress,
      warn: context.warn,
    },
  );
}

function runTransaction(
  context: StageContext,
  {install, remove}: Resolved,
  {folder, system}: {readonly folder: string; readonly system: RpmSystem},
): Promise<Result<void, StageFailure>> {
  if (install.length === 0 && remove.length === 0) return Promise.resolve(ok(undefined));
  const request = scratchFile(
    context,
    'transaction.json',
    JSON.stringify({
      root: mountPoint(context),
      database: system.database,
      install: install.map(({fileName}) => join(folder, fileName)),
      remove,
    }),
  );
  return runInTree(context, {
    inside: 'host',
    enters: true,
    command: [python, join(packageRoot, 'src/stages/scripts/rpm-transaction.py'), request],
    shown: ['rpm', '--upgrade', ...install.map(({fileName}) => fileName)],
    writable: true,
    env: rpmEnvironment,
    onLine: (line) => {
      const [kind, first = '', second = ''] = line.split('\t');
      if (kind === 'progress') context.progress(`Installing ${second}`, Number(first));
      else if (kind === 'warn') context.warn(`A scriptlet of ${first} failed; the log says why`);
      else return true;
      return false;
    },
  });
}
