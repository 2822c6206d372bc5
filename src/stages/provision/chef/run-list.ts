/** An item of a run list, in the forms that Chef::RunList::RunListItem takes. */
export type RunListItem =
  | {
      readonly kind: 'recipe';
      readonly cookbook: string;
      readonly recipe: string;
      readonly version?: string;
    }
  | {readonly kind: 'role'; readonly name: string};

const name = '[A-Za-z0-9._-]+';
const recipePattern = new RegExp(
  `^(?<cookbook>${name})(::(?<recipe>${name}))?(@(?<version>[0-9]+(\\.[0-9]+){1,2}))?$`,
);

/** `recipe[nginx::server@1.2.0]`, `role[base]`, or the name of a recipe alone; undefined for anything else. */
export function runListItem(text: string): RunListItem | undefined {
  const role = new RegExp(`^role\\[(?<role>${name})\\]$`).exec(text)?.groups?.['role'];
  if (role !== undefined) return {kind: 'role', name: role};
  const inside = /^recipe\[(?<inside>[^\]]+)\]$/.exec(text)?.groups?.['inside'] ?? text;
  const {cookbook, recipe = 'default', version} = recipePattern.exec(inside)?.groups ?? {};
  if (cookbook === undefined) return undefined;
  return {kind: 'recipe', cookbook, recipe, ...(version === undefined ? {} : {version})};
}

/** Whether two versions of cookbooks are the same: `1.2` is `1.2.0`. */
export function sameVersion(one: string, other: string): boolean {
  const plain = (version: string): string => version.replace(/^(\d+\.\d+)$/, '$1.0');
  return plain(one) === plain(other);
}

const constraintPattern = /^(?<sign>=|<|>|<=|>=|~>)?\s*(?<wanted>\d+(?:\.\d+){0,2})$/;

/** Whether a version fits a constraint (Chef::VersionConstraint); undefined where either is of no form that is known. */
export function fits(version: string, constraint: string): boolean | undefined {
  const {sign = '=', wanted} = constraintPattern.exec(constraint.trim())?.groups ?? {};
  if (wanted === undefined || !/^\d+(\.\d+){0,2}$/.test(version)) return undefined;
  const order = compare(numbers(version), numbers(wanted));
  switch (sign) {
    case '<':
      return order < 0;
    case '>':
      return order > 0;
    case '<=':
      return order <= 0;
    case '>=':
      return order >= 0;
    case '~>':
      // All but the last of the wanted numbers stand.
      return (
        order >= 0 &&
        version
          .split('.')
          .slice(0, wanted.split('.').length - 1)
          .join('.') === wanted.split('.').slice(0, -1).join('.')
      );
    default:
      return order === 0;
  }
}

function numbers(version: string): readonly number[] {
  return version.split('.').map(Number);
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (let at = 0; at < 3; at += 1) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
