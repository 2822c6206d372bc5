import type {StageNode} from '../plan/graph.ts';

/** Who has the packages of a stage's tree; `none`: nobody that fgimage could ask. */
export function packagesOf({params}: Pick<StageNode, 'params'>): 'apt' | 'dnf' | 'apk' | 'none' {
  if (params['rpm'] !== undefined) return 'dnf';
  const imported = params['imported'] as {readonly package_manager: 'apk' | 'none'} | undefined;
  return imported?.package_manager ?? 'apt';
}

/** Whether a stage's tree could only be imported: it may lack any program but what its own packages need. */
export function isOnlyImported({params}: Pick<StageNode, 'params'>): boolean {
  return params['imported'] !== undefined;
}

/** Whether the packages of a stage's tree are rpm's: then the host's programs install them, not the image's. */
export function hasRpms(node: Pick<StageNode, 'params'>): boolean {
  return packagesOf(node) === 'dnf';
}

/** Whether a stage's tree is one of Debian's kin: it has perl-base, and what daemons are started by asks policy-rc.d. */
export function hasDebs(node: Pick<StageNode, 'params'>): boolean {
  return packagesOf(node) === 'apt';
}

/** The stage with the package lists that a stage installs from; with a lock, or without packages, there is none. */
export function archiveOf({dependsOn}: Pick<StageNode, 'dependsOn'>): string {
  return dependsOn.find((id) => id.startsWith('archive:')) ?? '';
}
