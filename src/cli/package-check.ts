import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Plan} from '../plan/plan.ts';
import {diagnosticAt, formatDiagnostic} from '../spec/diagnostic.ts';
import {nearest} from '../spec/nearest.ts';
import {packageNamesFile} from '../stages/archive.ts';
import type {ReadSpec} from './spec.ts';

export interface PackageCheck {
  readonly plan: Plan;
  readonly spec: ReadSpec;
  /** Output folder of an archive stage; undefined while there is none. */
  readonly pathOf: (archive: string) => string | undefined;
  readonly color: boolean;
}

/**
 * Holds the packages of every image against the package lists, as far as they are there. Gives a printed diagnostic
 * for each name that no archive has; a name with an architecture (`libc6:i386`) counts by its name.
 */
export function checkPackageNames({plan, spec, pathOf, color}: PackageCheck): readonly string[] {
  return spec.images.flatMap((image) => {
    const node = plan.nodes.find(({id}) => id === `customize:${image.name}/packages`);
    const path = pathOf(node?.dependsOn[0] ?? '');
    if (path === undefined || !existsSync(join(path, packageNamesFile))) return [];
    const names = readFileSync(join(path, packageNamesFile), 'utf8').split('\n');
    const known = new Set(names);
    return image.packages.flatMap(({name}, index) => {
      if (known.has(name.replace(/:.*$/, ''))) return [];
      const similar = nearest(name, names);
      const message = `There is no package ${name} in the archives of ${image.os.distribution} ${image.os.release}${image.repositories.length > 0 ? ' and the repositories' : ''}`;
      const hint =
        similar === undefined
          ? 'Remove it, or add the archive that has it under repositories'
          : `Write ${similar}, or add the archive that has ${name} under repositories`;
      const position = spec.packagePositions[image.name]?.[index];
      return [
        position === undefined || position === null
          ? `error: ${message}\n  mend: ${hint}`
          : formatDiagnostic(diagnosticAt(position, {message, hint}), {color}),
      ];
    });
  });
}
