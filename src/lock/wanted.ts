import type {LockedInstall} from '../plan/graph.ts';
import type {WantedDeb} from './bring.ts';
import {debFileName} from './lock.ts';
import {hostSnapshots, type SnapshotConfiguration, snapshotRoots} from './snapshot.ts';

/**
 * What a stage's part of fgimage.lock means for `bringDebs`: each package with its places in the mirror and in the
 * archives of snapshots. `configured`: what is known of those; else the host's apt is asked.
 */
export function wantedDebs(
  {packages, roots, os, suites}: Omit<LockedInstall, 'required'>,
  configured: SnapshotConfiguration = hostSnapshots(),
): readonly WantedDeb[] {
  const snapshots = new Map(
    Object.entries(roots).map(([origin, root]) => [
      origin,
      snapshotRoots({os, origin, root, suites, configured}),
    ]),
  );
  return packages.map((one): WantedDeb => {
    const root = roots[one.origin];
    return {
      name: one.name,
      version: one.version,
      architecture: one.architecture,
      fileName: debFileName(one),
      sizeBytes: one.size,
      sha256: one.sha256,
      uris: root === undefined ? [] : [archiveUri(root, one.path)],
      snapshotUris: (snapshots.get(one.origin) ?? []).map((at) => archiveUri(at, one.path)),
    };
  });
}

/** The URI of a file of an archive. What has a meaning in URIs is escaped; `+` too, as apt does: some servers read it as a blank. */
export function archiveUri(root: string, path: string): string {
  const escaped = path
    .split('/')
    .map((part) => encodeURIComponent(part).replaceAll('%3A', ':'))
    .join('/');
  return `${root.replace(/\/+$/, '')}/${escaped}`;
}
