import type {TargetSchema} from '../../targets/contract.ts';
import {FgError} from '../errors.ts';
import {quote} from './diagnostic.ts';
import {checkShape} from './explain.ts';
import type {ImageTarget} from './image.ts';
import {nearest} from './nearest.ts';
import {plainPath} from './paths.ts';
import type {Project} from './project.ts';
import type {Reporter} from './report.ts';
import {type Entry, entriesAt, isText, type MapTree, toJson, withEntries} from './tree.ts';

/** Target types by name, each with the way to load its options' schema. */
export type TargetSchemas = Readonly<Record<string, () => Promise<TargetSchema>>>;

/** Where the types of targets are found: among fgimage's own, and in folders of the project. */
export interface TargetTypes {
  readonly schemas: TargetSchemas;
  readonly project: Project;
  /** Files of the project's own targets that were loaded, absolute: they are a part of the spec. */
  readonly files: Set<string>;
}

/**
 * Reads the targets of an image: finds each one's type (`type`, else its name), holds the options against the type's
 * schema and fills in the defaults. What is wrong goes to `report`; such a target is left out of the result.
 */
export async function readTargets(
  body: MapTree,
  types: TargetTypes,
  report: Reporter,
): Promise<ImageTarget[]> {
  const targets: ImageTarget[] = [];
  for (const [name, entry] of entriesAt(body, 'targets')) {
    const type = await typeOf(name, entry, {types, report});
    const schema = type === undefined ? undefined : await schemaOf(type, entry, {types, report});
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
  readonly types: TargetTypes;
  readonly report: Reporter;
}

/** The schema of a type's options; what is wrong with a target of the project is told where it is named. */
async function schemaOf(
  type: string,
  {keySite, value}: Entry,
  {types: {schemas, project, files}, report}: Reading,
): Promise<TargetSchema | undefined> {
  const own = schemas[type];
  if (own !== undefined) return own();
  const {loadProjectTarget} = await import('../../targets/project-target.ts');
  try {
    const loaded = await loadProjectTarget(project.dir, type);
    for (const file of loaded.files) files.add(file);
    return loaded.schema;
  } catch (error) {
    if (!(error instanceof FgError)) throw error;
    const site = value.kind === 'map' ? (value.entries.get('type')?.value.site ?? keySite) : keySite;
    report.at(site, {message: error.message, hint: error.hint ?? 'See docs/guide/own-target.md'});
    return undefined;
  }
}

async function typeOf(
  name: string,
  {keySite, value}: Entry,
  {types: {schemas, project}, report}: Reading,
): Promise<string | undefined> {
  const given = value.kind === 'map' ? value.entries.get('type')?.value : undefined;
  const types = Object.keys(schemas);
  const type = given === undefined ? name : isText(given) ? given.value : undefined;
  if (type !== undefined && Object.hasOwn(schemas, type)) return type;
  if (given !== undefined && type?.startsWith('./') === true) {
    const path = plainPath(type);
    const problem = await project.problem(path, {folder: true});
    if (problem === undefined) return `./${path}`;
    report.at(given.site, problem);
    return undefined;
  }
  const {isProjectTarget} = await import('../../targets/project-folder.ts');
  if (given === undefined && isProjectTarget(project.dir, `./targets/${name}`)) return `./targets/${name}`;
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
