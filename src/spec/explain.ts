import type {z} from 'zod';
import {type Diagnostic, diagnosticAt} from './diagnostic.ts';
import {stepKeys} from './provision-step.ts';
import {positionOf, type Site} from './source.ts';
import {isText, nearestTree, type Path, type Tree, treeAt} from './tree.ts';
import {
  fromMessage,
  noHead,
  outOfRange,
  unknownKey,
  type Wording,
  wrongKind,
  wrongType,
  wrongValue,
} from './wording.ts';
import {knownKeys, variants} from './zod-shape.ts';

/**
 * What zod found, in the words of the spec: each issue becomes a diagnostic at the value, or the key, that it is
 * about. `fields.ts` words its own refusals; here are those of zod itself.
 */
type Issue = z.core.$ZodIssue;

interface Complaint extends Wording {
  readonly path: Path;
  /** An unknown key of the mapping at `path`, where that is what is wrong. */
  readonly key?: string;
}

/** Holds a tree against a schema and gives everything that is wrong with it; `at` is where the tree lies in the spec. */
export function checkShape(schema: z.ZodType, tree: Tree, value: unknown, at: Path = []): Diagnostic[] {
  const result = schema.safeParse(value);
  if (result.success) return [];
  const context: Context = {schema, tree, at};
  return result.error.issues
    .flatMap((issue) => explain(issue, issue.path.filter(isStep), context))
    .map((complaint) => {
      const {message, hint, secret = false} = complaint;
      return diagnosticAt(positionOf(siteOf(complaint, tree)), {message, hint}, {secret});
    });
}

interface Context {
  readonly schema: z.ZodType;
  readonly tree: Tree;
  readonly at: Path;
}

/** Keys that a mapping may have; of a step of `provision` those that make it one. */
function keysAt(
  path: Path,
  {schema, at}: Context,
): {readonly keys: readonly string[]; readonly heads?: readonly string[]} {
  const keys = knownKeys(schema, path);
  const [list, index] = [...at, ...path].slice(-2);
  if (list !== 'provision' || typeof index !== 'number') return {keys};
  return {keys, heads: keys.filter((key) => !stepKeys.has(key))};
}

function explain(issue: Issue, path: Path, context: Context): Complaint[] {
  const found = treeAt(context.tree, path);
  const name = label([...context.at, ...path]);
  if (path.at(-1) === 'hashed_passwd' && issue.code === 'invalid_type') {
    return [{path, message: `${name} is not text`, hint: 'Put the hash in quotes', secret: true}];
  }
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path,
        key,
        ...unknownKey(key, knownKeys(context.schema, path, found), name),
      }));
    case 'invalid_union':
      return explainUnion(issue, path, context);
    case 'invalid_type':
      return found === undefined
        ? [missing(path, context)]
        : [{path, ...wrongType(issue.expected, found, {name, ...keysAt(path, context)})}];
    case 'invalid_value':
      return found === undefined
        ? [missing(path, context)]
        : [{path, ...wrongValue(issue.values, found, name)}];
    case 'invalid_key':
      return issue.issues.map((inner) => ({
        path: path.slice(0, -1),
        key: String(path.at(-1)),
        ...fromMessage(inner.message),
      }));
    case 'too_small':
    case 'too_big':
      return [{path, ...outOfRange(issue, found, name)}];
    case 'invalid_format':
    case 'custom':
      return [{path, ...fromMessage(issue.message), secret: isSecret(path, found)}];
    case 'not_multiple_of':
    case 'invalid_element':
      return [{path, ...fromMessage(issue.message)}];
  }
}

/** A union is explained by the one alternative that the user meant: of the right type, with the fewest keys missing. */
function explainUnion(
  issue: Issue & {readonly code: 'invalid_union'},
  path: Path,
  context: Context,
): Complaint[] {
  const found = treeAt(context.tree, path);
  if (found === undefined) return [missing(path, context)];
  const alternatives = issue.errors.filter(
    (issues) => !issues.some(({code, path: inner}) => isTypeCode(code) && inner.length === 0),
  );
  const ranked = alternatives
    .map((issues) => ({issues, missing: issues.filter((one) => isMissing(one, found)).length}))
    .sort((a, b) => a.missing - b.missing || a.issues.length - b.issues.length);
  const best = ranked[0];
  const choices = variants(context.schema, path);
  if (best === undefined) {
    const heads = choices.flatMap(({head}) => head ?? []);
    const wanted = [...new Set(choices.map((choice) => choice.wanted))].join(', or ');
    return [{path, ...wrongKind(wanted, found, {name: label([...context.at, ...path]), heads})}];
  }
  if (best.missing > 0 && ranked.length > 1 && found.kind === 'map') {
    const heads = choices.flatMap(({head}) => head ?? []);
    const chosen = heads.some((head) => found.entries.has(head));
    if (!chosen && heads.length > 1)
      return [{path, ...noHead(heads, [...found.entries.keys()], label([...context.at, ...path]))}];
  }
  return best.issues.flatMap((inner) => explain(inner, [...path, ...inner.path.filter(isStep)], context));
}

function missing(path: Path, {at, tree}: Context): Complaint {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const where = label([...at, ...parent]);
  const owner = treeAt(tree, parent) === undefined ? [] : parent;
  const hint = key === 'version' ? 'Write `version: 1` in the first line' : `Write \`${key}: …\``;
  return {path: owner, message: `${where === '' ? 'The spec' : where} has no \`${key}\``, hint};
}

/** `users[0].name`. */
function label(path: Path): string {
  let text = '';
  for (const step of path)
    text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${step}`;
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}

function siteOf({path, key}: Complaint, tree: Tree): Site {
  const found = nearestTree(tree, path);
  const entry = key !== undefined && found.kind === 'map' ? found.entries.get(key) : undefined;
  return entry?.keySite ?? found.site;
}

function isSecret(path: Path, found: Tree | undefined): boolean {
  if (path.at(-1) === 'hashed_passwd') return true;
  return found !== undefined && isText(found) && /PRIVATE KEY|:\/\/[^/]*@/.test(found.value);
}

function isMissing(issue: Issue, found: Tree | undefined): boolean {
  return isTypeCode(issue.code) && treeAt(found, issue.path.filter(isStep)) === undefined;
}

function isTypeCode(code: Issue['code']): boolean {
  return code === 'invalid_type' || code === 'invalid_value';
}

function isStep(step: PropertyKey): step is string | number {
  return typeof step !== 'symbol';
}
