import {z} from 'zod';
import {child, type Path, type Tree} from './tree.ts';

/** Questions to a schema that the messages need: which keys, which alternatives there are at a place. */
export interface Variant {
  /** In words: "text", "a mapping". */
  readonly wanted: string;
  /** The first required key of a mapping: it tells the alternatives apart. */
  readonly head?: string;
}

/** The keys known at a path; those of all mappings that may stand there, or of the ones that fit what was found. */
export function knownKeys(schema: z.ZodType, path: Path, found?: Tree): readonly string[] {
  const objects = schemasAt(schema, path).filter((one) => one instanceof z.ZodObject);
  const headed = objects.filter((one) => {
    const head = headOf(one);
    return head !== undefined && found !== undefined && child(found, head) !== undefined;
  });
  return [...new Set((headed.length > 0 ? headed : objects).flatMap((one) => Object.keys(one.shape)))];
}

/** The alternatives at a path. */
export function variants(schema: z.ZodType, path: Path): readonly Variant[] {
  return schemasAt(schema, path).map((one) => {
    const head = one instanceof z.ZodObject ? headOf(one) : undefined;
    return {wanted: wantedName(one), ...(head === undefined ? {} : {head})};
  });
}

function schemasAt(schema: z.ZodType, path: Path): z.ZodType[] {
  let found = unfold(schema);
  for (const step of path) found = found.flatMap((one) => stepInto(one, step)).flatMap(unfold);
  return found;
}

function stepInto(schema: z.ZodType, step: string | number): z.ZodType[] {
  if (schema instanceof z.ZodArray && typeof step === 'number') return [schema.element as z.ZodType];
  if (schema instanceof z.ZodRecord) return [schema.valueType as z.ZodType];
  if (!(schema instanceof z.ZodObject)) return [];
  const inner = (schema.shape as Record<string, z.ZodType | undefined>)[String(step)];
  return inner === undefined ? [] : [inner];
}

/** Without the wrappers, unions taken apart. */
function unfold(schema: z.ZodType): z.ZodType[] {
  if (schema instanceof z.ZodUnion) return (schema.options as z.ZodType[]).flatMap(unfold);
  if (isWrapped(schema)) {
    return unfold(schema.unwrap() as z.ZodType);
  }
  return [schema];
}

/** A key that may be left out. */
function isWrapped(schema: z.ZodType): schema is z.ZodExactOptional | z.ZodOptional | z.ZodDefault {
  return (
    schema instanceof z.ZodExactOptional || schema instanceof z.ZodOptional || schema instanceof z.ZodDefault
  );
}

/** The key that a mapping must have, by which it is told from others. */
function headOf(schema: z.ZodObject): string | undefined {
  return Object.entries(schema.shape).find(([, value]) => !isWrapped(value as z.ZodType))?.[0];
}

function wantedName(schema: z.ZodType): string {
  if (schema instanceof z.ZodString) return 'text';
  if (schema instanceof z.ZodArray) return 'a list';
  if (schema instanceof z.ZodObject || schema instanceof z.ZodRecord) return 'a mapping';
  if (schema instanceof z.ZodNull) return 'nothing';
  if (schema instanceof z.ZodBoolean) return 'true or false';
  if (schema instanceof z.ZodLiteral) return [...schema.values].map(String).join(' or ');
  return 'a number';
}
