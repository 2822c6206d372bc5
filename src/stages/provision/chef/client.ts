import {lstatSync, mkdirSync, readdirSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {digestFile} from '../../../../cache/tree.ts';
import {fail, ok, type Result} from '../../../result.ts';
import type {StageFailure} from '../../../run/events.ts';
import type {Bind} from '../../../sandbox/sandbox.ts';
import {sourceDateEpoch} from '../../tree.ts';
import type {StepContext} from '../step.ts';
import {place} from './client-config.ts';
import type {ChefOptions, ClientSource} from './options.ts';

/** A client as a step finds it: where it may be, the first that is there counts, and what is laid over the tree. */
export interface Client {
  /** Paths, or a name that is looked for in PATH. */
  readonly programs: readonly string[];
  readonly binds: readonly Bind[];
  /** Folders that are stacked above the tree. */
  readonly above: readonly string[];
}

type FromDeb = Extract<ClientSource, {readonly kind: 'deb'}>;

/** Gets the client that the step names ready. One of a package is there already. */
export async function prepareClient(
  step: StepContext,
  {client, from}: ChefOptions,
): Promise<Result<Client, StageFailure>> {
  const program = `${client}-client`;
  const usual = {programs: [`/opt/${client}/bin/${program}`, program], binds: [], above: []};
  if (from.kind === 'package') return ok(usual);
  if (from.kind === 'installed')
    return ok(from.path === undefined ? usual : {...usual, programs: [from.path]});
  const digest = digestFile(join(step.stage.projectDir, from.path));
  if (digest !== from.sha256)
    return fail({
      reason: 'refused',
      message: `${from.path} has another digest than the spec says: ${digest}`,
      hint: 'Get the file again, or write that digest where you trust it',
    });
  return from.keep ? installed(step, from, usual) : mounted(step, from, program);
}

function debBind({stage}: StepContext, {path}: FromDeb): Bind {
  return {source: join(stage.projectDir, path), path: place.deb, kind: 'file', mode: 'ro'};
}

async function installed(
  step: StepContext,
  from: FromDeb,
  usual: Client,
): Promise<Result<Client, StageFailure>> {
  step.stage.progress(`installing ${from.path}`);
  const done = await step.run({
    command: ['dpkg', '--install', place.deb],
    shown: ['dpkg', '--install', from.path],
    binds: [debBind(step, from)],
    hint: 'Put what it depends on into `packages`',
  });
  return done.ok ? ok(usual) : done;
}

/**
 * Unpacks the package into a scratch folder, by the image's own dpkg, and shows its folders of /opt to the step, read-only.
 * A layer above the tree holds the empty folders on which they are mounted, so that not even those are left behind.
 */
async function mounted(
  step: StepContext,
  from: FromDeb,
  program: string,
): Promise<Result<Client, StageFailure>> {
  const {stage} = step;
  stage.progress(`unpacking ${from.path}`);
  const unpacked = join(stage.work, 'chef-client');
  const points = join(stage.work, 'chef-points');
  for (const folder of [unpacked, join(points, 'opt')]) mkdirSync(folder, {recursive: true});
  const done = await step.run({
    command: ['dpkg-deb', '--extract', place.deb, place.unpacked],
    shown: ['dpkg-deb', '--extract', from.path],
    binds: [debBind(step, from), {source: unpacked, path: place.unpacked, kind: 'dir', mode: 'rw'}],
    hint: 'The dpkg of the image unpacks it: where there is none, say `package` or `installed`',
  });
  if (!done.ok) return done;
  const folders = foldersIn(join(unpacked, 'opt'));
  if (folders.length === 0)
    return fail({
      reason: 'refused',
      message: `${from.path} has no folder in /opt that could be mounted`,
      hint: 'Say `keep_client: true`, so that it is installed',
    });
  for (const name of folders) mkdirSync(join(points, 'opt', name));
  // A layer that adds a folder to /opt takes over the times of what it saw there.
  utimesSync(join(points, 'opt'), sourceDateEpoch(stage), sourceDateEpoch(stage));
  return ok({
    programs: folders.map((name) => `/opt/${name}/bin/${program}`),
    binds: folders.map((name) => ({
      source: join(unpacked, 'opt', name),
      path: `/opt/${name}`,
      kind: 'dir',
      mode: 'ro',
    })),
    above: [points],
  });
}

/** Names of folders, but for those that are links; none where there is no folder. */
function foldersIn(path: string): readonly string[] {
  if (lstatSync(path, {throwIfNoEntry: false})?.isDirectory() !== true) return [];
  return readdirSync(path, {withFileTypes: true})
    .filter((entry) => entry.isDirectory())
    .map(({name}) => name)
    .sort();
}
