import {relative} from 'node:path';
import type {BundleContents} from '../lock/bundle-write.ts';
import {type CopiedFile, copiedFolders} from '../plan/fingerprint.ts';
import {artifactFiles} from '../run/deliver.ts';
import {peekSession, planSpec, type Session} from './session.ts';

/**
 * Everything of the project that its images are made of. Of all images, whichever are bundled: a spec is valid only
 * where the files are that it names.
 */
export async function projectContents({
  spec,
  store,
  digests,
  lock,
}: Session): Promise<
  Pick<BundleContents, 'projectDir' | 'spec' | 'profiles' | 'files' | 'links' | 'folders'>
> {
  const {projectDir} = spec;
  // Without the lock: then the keys of repositories are read too.
  const plan = await planSpec(spec, {store, digests, test: false, images: [], targets: []});
  const inProject = (path: string): string => relative(projectDir, path);
  // A starter is part of fgimage, not of the project.
  const specFiles = spec.files.filter(({starter}) => starter === undefined);
  const own = [...specFiles.map(({path}) => path), ...(lock === undefined ? [] : [lock.path])];
  const read = plan.nodes.flatMap((node) => Object.keys(node.files));
  const {loadSpec} = await import('../spec/load.ts');
  const loaded = await loadSpec({file: spec.file, profiles: spec.profiles});
  const named = loaded.ok ? await loaded.value.named() : {files: [], folders: []};
  const files = [...new Set([...own.map(inProject), ...read, ...named.files])];
  const links = new Map(
    plan.nodes.flatMap(({kind, params}) =>
      kind === 'files' ? linksOf(params['copied'] as unknown as readonly CopiedFile[]) : [],
    ),
  );
  const folders = [...spec.images.flatMap(({copy}) => copiedFolders(projectDir, copy)), ...named.folders]
    .filter((folder) => folder !== '' && folder !== '.')
    .filter((folder) => !files.some((path) => path.startsWith(`${folder}/`)));
  return {
    projectDir,
    spec: inProject(spec.file),
    profiles: spec.profiles,
    files,
    links: [...links].map(([path, target]) => ({path, target})),
    folders: [...new Set(folders)],
  };
}

/** The artifacts of a plan, by what is in the cache. */
export async function knownArtifacts(
  session: Session,
  signal: AbortSignal,
): Promise<BundleContents['artifacts']> {
  const peeked = await peekSession(session, signal);
  return session.plan.deliveries.flatMap(({image, target, pack}) => {
    const found = peeked.get(pack);
    if (found?.state !== 'hit' || !session.store.hasContent(found.known.action.digest)) return [];
    const files = artifactFiles(session.store, found.known.action.digest);
    return [
      {
        image: image.name,
        target,
        files: files.map(({path, size_bytes: size, sha256}) => ({path, size, sha256})),
      },
    ];
  });
}

/** The newest date of the locked archives, in seconds: it does not move with the day of bundling. */
export function newestDate({lock}: Session): number {
  const suites = Object.values(lock?.lock.archives ?? {}).flatMap((archive) => archive.suites);
  const times = suites.map(({date}) => Date.parse(date)).filter((time) => !Number.isNaN(time));
  return Math.floor(Math.max(0, ...times) / 1000);
}

function linksOf(copied: readonly CopiedFile[]): readonly (readonly [path: string, target: string])[] {
  return copied.flatMap(({source, link}) => (link === undefined ? [] : [[source, link] as const]));
}
