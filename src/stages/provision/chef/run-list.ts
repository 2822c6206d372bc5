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
