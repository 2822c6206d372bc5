/** Something with a name that two lists do not have alike: a file, a user, a unit. */
export interface ItemChange {
  readonly change: 'added' | 'removed' | 'changed';
  readonly name: string;
  /** What of it differs, where both have it. */
  readonly fields?: readonly {readonly field: string; readonly a: string; readonly b: string}[];
}

/** How one list becomes another, by name; `fields` tells what counts of an item. */
export function diffItems<Item>(
  lists: {readonly a: readonly Item[]; readonly b: readonly Item[]},
  nameOf: (item: Item) => string,
  fieldsOf: (item: Item) => Readonly<Record<string, string>>,
): readonly ItemChange[] {
  const [before, after] = [lists.a, lists.b].map((list) => new Map(list.map((item) => [nameOf(item), item])));
  const names = [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].sort();
  return names.flatMap((name): readonly ItemChange[] => {
    const [left, right] = [before?.get(name), after?.get(name)];
    if (left === undefined) return [{change: 'added', name}];
    if (right === undefined) return [{change: 'removed', name}];
    const fields = diffFields(fieldsOf(left), fieldsOf(right));
    return fields.length === 0 ? [] : [{change: 'changed', name, fields}];
  });
}

function diffFields(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): NonNullable<ItemChange['fields']> {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((field) => {
    const [left, right] = [a[field] ?? '-', b[field] ?? '-'];
    return left === right ? [] : [{field, a: left, b: right}];
  });
}
