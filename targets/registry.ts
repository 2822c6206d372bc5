import type {Target} from './contract.ts';
import {target as hpc} from './hpc/index.ts';
import {target as oci} from './oci/index.ts';
import {target as openstack} from './openstack/index.ts';
import {target as tarball} from './tarball/index.ts';

/** Every target type by name. A new infrastructure is a folder, a line here and one in `schemas.ts`. */
const targets: ReadonlyMap<string, Target> = new Map(
  [openstack, hpc, oci, tarball].map((target) => [target.name, target]),
);

/** The target of a type; the spec's check has refused unknown ones before. */
export function targetOfType(type: string): Target {
  const target = targets.get(type);
  if (target === undefined) throw new Error(`There is no target type ${type}`);
  return target;
}
