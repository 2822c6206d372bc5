import {lstatSync, readdirSync, realpathSync, renameSync, statSync, writeFileSync} from 'node:fs';
import {dirname, join, sep} from 'node:path';
import {makeFolder} from '../../cache/make-folder.ts';
import {isErrno, isNoSpace} from '../errors.ts';
import {lockPathOf} from '../lock/path.ts';
import {packageRoot} from '../package-root.ts';
import {copiedFolders} from '../plan/fingerprint.ts';
import {deliveredFiles, isDelivered} from '../run/deliver.ts';
import type {StageState} from '../run/engine-options.ts';
import type {Output} from '../run/events.ts';
import {
  ownFiles,
  placeOf,
  stampOf,
  type Unchanged,
  type UnchangedStage,
  unchangedVersion,
} from '../run/unchanged.ts';
import type {Session} from './session.ts';

/** Notes down what a finished build found, so that the next one can tell at a glance that nothing has changed. */
export function rememberUnchanged(
  session: Session,
  {states, outputs}: {states: ReadonlyMap<string, StageState>; outputs: readonly Output[]},
): void {
  const {options, spec, plan, store} = session;
  if (spec.warnings.length > 0 || outputs.some(({state}) => state !== 'built' && state !== 'cached')) return;
  const stages = plan.nodes.flatMap((node): UnchangedStage[] => {
    const state = states.get(node.id);
    if (state?.state !== 'run' && state?.state !== 'cached') return [];
    const {id: stage, title, image, target, dependsOn, kind} = node;
    const found = store.find(state.key);
    const log = found.state === 'known' ? found.action.log : undefined;
    return [
      {
        planned: {
          stage,
          title,
          dependsOn,
          ...(image === undefined ? {} : {image}),
          ...(target === undefined ? {} : {target}),
        },
        kind,
        cached: {
          key: state.key,
          digest: state.output.digest,
          savedMs: state.durationMs,
          ...(log === undefined ? {} : {log}),
        },
      },
    ];
  });
  if (stages.length < plan.nodes.length) return;
  const watched = [...new Set(watchedPaths(session))];
  // What was changed so short a time ago could change once more without its times telling.
  if (watched.some((path) => isFresh(path))) return;
  const delivered = outputs.flatMap(({path = ''}) => deliveredFiles(path) ?? []);
  if (delivered.length < outputs.length) return;
  // A build of another spec may have put its own there meanwhile.
  const documents = new Map(
    plan.deliveries.map(({image, target, sbom}) => {
      const state = states.get(sbom);
      return [`${image.name}/${target}`, state !== undefined && 'output' in state ? state.output.digest : ''];
    }),
  );
  const isOwn = ({image, target, digest = ''}: Output): boolean =>
    isDelivered(options.output, {
      image,
      target,
      digest,
      documents: documents.get(`${image}/${target}`) ?? '',
    });
  if (!outputs.every(isOwn)) return;
  const place = placeOf(store.layout.root, options);
  const known: Unchanged = {
    version: unchangedVersion,
    asked: place.asked,
    file: spec.file,
    images: [...new Set(plan.deliveries.map(({image}) => image.name))],
    ...(session.lock === undefined ? {} : {lock: session.lock.path}),
    stages,
    outputs: outputs.map((output) => ({...output, state: 'cached', durationMs: 0})),
    watched: watched.map((path) => [path, stampOf(path)]),
    delivered,
  };
  write(place.path, known);
}

const settledAfterMs = 2000;

function isFresh(path: string): boolean {
  try {
    const stat = lstatSync(path, {throwIfNoEntry: false});
    return stat !== undefined && Math.max(stat.mtimeMs, stat.ctimeMs) > Date.now() - settledAfterMs;
  } catch (error) {
    if (isErrno(error, 'EACCES', 'ENOTDIR', 'ELOOP')) return false;
    throw error;
  }
}

/** Everything that the plan read, and every place where something else would be found first. */
function watchedPaths({spec, plan, tools}: Session): readonly string[] {
  const wanted = new Set(plan.deliveries.map(({image}) => image.name));
  const images = spec.images.filter(({name}) => wanted.has(name));
  const copies = images.flatMap(({copy}) => copy);
  const inProject = (path: string): string => join(spec.projectDir, path);
  return [
    ...ownFiles,
    ...['templates', 'targets'].flatMap((name) => entriesBelow(join(packageRoot, name))),
    ...['/etc/apt/sources.list', '/etc/apt/apt.conf'],
    ...['/etc/apt/sources.list.d', '/etc/apt/apt.conf.d'].flatMap(entriesBelow),
    ...spec.files.map(({path}) => path),
    lockPathOf(spec.file, spec.profiles),
    ...plan.nodes.flatMap((node) => Object.keys(node.files).map(inProject)),
    ...copies.flatMap(({source}) => source.map(inProject)),
    ...copiedFolders(spec.projectDir, copies).flatMap((folder) => foldersBelow(inProject(folder))),
    ...plan.nodes
      .flatMap(({step}) => step?.folders ?? [])
      .flatMap((folder) => linkedFoldersBelow(spec.projectDir, inProject(folder))),
    ...tools.places,
  ];
}

/** A folder and all folders in it: a new entry, or one less, changes the times of its folder. */
function foldersBelow(folder: string): readonly string[] {
  return [folder, ...children(folder).flatMap(([path, isFolder]) => (isFolder ? foldersBelow(path) : []))];
}

/** Likewise, and with the folders of the project that links lead to: what a step reads may lie behind them. */
export function linkedFoldersBelow(
  projectDir: string,
  folder: string,
  above: readonly string[] = [],
): readonly string[] {
  const real = realPath(folder);
  const project = realPath(projectDir);
  if (above.includes(real) || !(real === project || real.startsWith(project + sep))) return [folder];
  return [
    folder,
    ...children(folder).flatMap(([path, isFolder]) =>
      isFolder || isFolderLink(path) ? linkedFoldersBelow(projectDir, path, [...above, real]) : [],
    ),
  ];
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return path;
    throw error;
  }
}

function isFolderLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink() && statSync(path).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return false;
    throw error;
  }
}

function entriesBelow(folder: string): readonly string[] {
  return [
    folder,
    ...children(folder).flatMap(([path, isFolder]) => (isFolder ? entriesBelow(path) : [path])),
  ];
}

function children(folder: string): readonly (readonly [path: string, isFolder: boolean])[] {
  try {
    return readdirSync(folder, {withFileTypes: true}).map((entry) => [
      join(folder, entry.name),
      entry.isDirectory(),
    ]);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}

/** It only saves time: a disk that does not take it is no failure of a build. */
function write(path: string, known: Unchanged): void {
  const fresh = `${path}.${String(process.pid)}`;
  try {
    makeFolder(dirname(path));
    writeFileSync(fresh, JSON.stringify(known));
    renameSync(fresh, path);
  } catch (error) {
    if (!isNoSpace(error) && !isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'EIO')) throw error;
  }
}
