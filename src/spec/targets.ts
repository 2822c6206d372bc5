import type {TargetSchema} from '../../targets/contract.ts';
import {quote} from './diagnostic.ts';
import {checkShape} from './explain.ts';
import type {ImageTarget} from './image.ts';
import {nearest} from './nearest.ts';
import type {Reporter} from './report.ts';
import {type Entry, entriesAt, isText, type MapTree, toJson, withEntries} from './tree.ts';

/** Target types by name, each with the way to load its options' schema. */
export type TargetSchemas = Readonly<Record<string, () => Promise<TargetSchema>>>;

/**
 * Reads the targets of an image: finds each one's type (`type`, else its name), holds the options against the type's
 * schema and fills in the defaults. What is wrong goes to `report`; such a target is left out of the result.
 */
export async function readTargets(
  body: MapTree,
  schemas: TargetSchemas,
  report: Reporter,
): Promise<ImageTarget[]> {
  const targets: ImageTarget[] = [];
  for (const [name, entry] of entriesAt(body, 'targets')) {
    const type = typeOf(name, entry, {schemas, report});
    const schema = await (type === undefined ? undefined : schemas[type]?.());
    if (type === undefined || schema === undefined) continue;
    const options = optionsOf(entry);
    const value = toJson(options);
    const problems = checkShape(schema, options, value, ['targets', name]);
    report.add(problems);
    if (problems.length === 0) targets.push({name, type, options: schema.parse(value)});
  }
  return targets;
}

interface Reading {
  readonly schemas: TargetSchemas;
  readonly report: Reporter;
}

function typeOf(name: string, {keySite, value}: Entry, {schemas, report}: Reading): string | undefined {
  const given = value.kind === 'map' ? value.entries.get('type')?.value : undefined;
  const types = Object.keys(schemas);
  const type = given === undefined ? name : isText(given) ? given.value : undefined;
  if (type !== undefined && Object.hasOwn(schemas, type)) return type;
  if (given !== undefined && type === undefined) {
    report.at(given.site, {
      message: `targets.${name}.type is not text`,
      hint: `Write one of ${types.join(', ')}`,
    });
    return undefined;
  }
  const near = nearest(type ?? name, types);
  const known = `Types: ${types.join(', ')}`;
  if (given !== undefined) {
    const hint = near === undefined ? known : `Write \`${near}\``;
    report.at(given.site, {message: `There is no target type ${quote(type)}`, hint});
    return undefined;
  }
  report.at(keySite, {
    message: `${quote(name)} is not a target type, and no \`type\` says which one it is`,
    hint: near === undefined ? `Write \`${name}: {type: …}\`. ${known}` : `Write \`${near}\``,
  });
  return undefined;
}

/** The options without `type`; a bare target has none. */
function optionsOf({value}: Entry): MapTree {
  if (value.kind !== 'map') return {kind: 'map', entries: new Map(), site: value.site};
  return withEntries(
    value,
    [...value.entries].filter(([key]) => key !== 'type'),
  );
}
