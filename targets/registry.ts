import {target as azure} from './azure/index.ts';
import type {Target} from './contract.ts';
import {target as ec2} from './ec2/index.ts';
import {target as eucalyptus} from './eucalyptus/index.ts';
import {target as gcp} from './gcp/index.ts';
import {target as hpc} from './hpc/index.ts';
import {target as libvirt} from './libvirt/index.ts';
import {target as nimbus} from './nimbus/index.ts';
import {target as oci} from './oci/index.ts';
import {target as opennebula} from './opennebula/index.ts';
import {target as openstack} from './openstack/index.ts';
import {target as ova} from './ova/index.ts';
import {target as tarball} from './tarball/index.ts';
import {target as vagrant} from './vagrant/index.ts';

/** Every target type by name. A new infrastructure is a folder, a line here and one in `schemas.ts`. */
const targets: ReadonlyMap<string, Target> = new Map(
  [
    ...[openstack, ec2, eucalyptus, opennebula, nimbus, azure, gcp, ova, libvirt, vagrant],
    ...[hpc, oci, tarball],
  ].map((target) => [target.name, target]),
);

/**
 * Finds targets by their type, those of fgimage and of a project (`./targets/mine`), which are loaded here. Throws
 * `FgError` TARGET_INVALID for one of the project that has become none since the spec was checked.
 */
export async function targetFinder(
  projectDir: string,
  types: Iterable<string>,
): Promise<(type: string) => Target> {
  const own = new Map<string, Target>();
  for (const type of types) {
    if (!type.startsWith('./')) continue;
    const {loadProjectTarget} = await import('./project-target.ts');
    own.set(type, (await loadProjectTarget(projectDir, type)).target);
  }
  return (type) => own.get(type) ?? targetOfType(type);
}

/** The target of a type; the spec's check has refused unknown ones before. */
export function targetOfType(type: string): Target {
  const target = targets.get(type);
  if (target === undefined) throw new Error(`There is no target type ${type}`);
  return target;
}
