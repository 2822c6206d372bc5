import {compareVersions} from '../lock/version.ts';

/**
 * Which of the installed packages satisfy the dependencies of another one (deb-control(5), Debian Policy chapter 7):
 * by name or by what they provide, in a version that fits.
 */
export interface Relation {
  readonly name: string;
  readonly operator?: string;
  readonly version?: string;
}

export interface Installed {
  /** `name`, or `name:architecture` of a foreign one. */
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** The field as it stands. */
  readonly provides: string;
}

/** Reads `a (>= 1) | b:any, c`: all of the outer list are needed, one of each inner one. */
export function parseRelations(field: string): readonly (readonly Relation[])[] {
  return field
    .split(',')
    .map((group) => group.split('|').flatMap((one) => parseRelation(one) ?? []))
    .filter((group) => group.length > 0);
}

function parseRelation(text: string): Relation | undefined {
  const found =
    /^\s*(?<name>[a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(?<operator><<|<=|=|>=|>>|<|>)\s*(?<version>[^\s)]+)\s*\))?/.exec(
      text,
    )?.groups as {name: string; operator?: string; version?: string} | undefined;
  if (found === undefined) return undefined;
  const {name, operator, version} = found;
  return operator === undefined || version === undefined ? {name} : {name, operator, version};
}

/** Says who satisfies a field of relations; one that nobody does (broken, or from outside dpkg) is left out. */
export function relationResolver(installed: readonly Installed[]): (field: string) => readonly string[] {
  const providers = new Map<string, {readonly id: string; readonly version: string | undefined}[]>();
  const enter = (name: string, id: string, version: string | undefined): void => {
    const known = providers.get(name);
    if (known === undefined) providers.set(name, [{id, version}]);
    else known.push({id, version});
  };
  for (const {id, name, version} of installed) enter(name, id, version);
  for (const {id, provides} of installed) {
    for (const {name, version} of parseRelations(provides).flat()) enter(name, id, version);
  }
  return (field) => {
    const ids = parseRelations(field).flatMap((group) => {
      for (const relation of group) {
        const found = (providers.get(relation.name) ?? []).filter(({version}) => fits(relation, version));
        if (found.length > 0) return found.map(({id}) => id);
      }
      return [];
    });
    return [...new Set(ids)].sort();
  };
}

/** What provides a name without a version satisfies no relation that asks for one. */
function fits({operator, version}: Relation, installed: string | undefined): boolean {
  if (operator === undefined || version === undefined) return true;
  if (installed === undefined) return false;
  const difference = compareVersions(installed, version);
  switch (operator) {
    case '<<':
      return difference < 0;
    case '<=':
    case '<':
      return difference <= 0;
    case '=':
      return difference === 0;
    case '>>':
      return difference > 0;
    default:
      return difference >= 0;
  }
}
