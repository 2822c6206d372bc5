import type {z} from 'zod';
import {quote} from './diagnostic.ts';
import {nearest} from './nearest.ts';
import {isText, type Tree} from './tree.ts';

/** What is said about a value or a key that the schema refuses: the reason and the mend. Pure text. */
export interface Wording {
  readonly message: string;
  readonly hint: string;
  readonly secret?: boolean;
}

type Issue = z.core.$ZodIssue;

export function noHead(heads: readonly string[], keys: readonly string[], name: string): Wording {
  const near = keys
    .map((key) => [key, nearest(key, heads)] as const)
    .find(([, found]) => found !== undefined);
  const list = heads.join(', ');
  return {
    message: `${name} has none of the keys ${list}`,
    hint:
      near?.[1] === undefined
        ? `Begin it with one of ${list}`
        : `Write \`${near[1]}\` instead of \`${near[0]}\``,
  };
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
  null: 'nothing',
};

interface Place {
  readonly name: string;
  /** Keys of the mapping that may stand there. */
  readonly keys?: readonly string[];
  /** Keys of which a mapping there has one. */
  readonly heads?: readonly string[];
}

export function wrongType(expected: string, found: Tree, place: Place): Wording {
  return wrongKind(typeNames[expected] ?? expected, found, place);
}

export function wrongKind(
  wanted: string,
  found: Tree | undefined,
  {name, keys = [], heads = []}: Place,
): Wording {
  const what = name === '' ? 'The spec' : name;
  const message = `${what} is ${foundName(found)}, wanted is ${wanted}`;
  if (name === '') return {message, hint: 'Begin with `version: 1`, then `name: …` and `os: …`'};
  if (wanted === 'a mapping' && heads.length > 1) {
    return {message: `${message} with one of ${heads.join(', ')}`, hint: `Write {${heads[0] ?? ''}: …}`};
  }
  if (wanted === 'a mapping' && keys.length > 0) {
    const some = keys.slice(0, 3).map((key) => `${key}: …`);
    return {message, hint: `Write {${[...some, ...(keys.length > 3 ? ['…'] : [])].join(', ')}}`};
  }
  return {message, hint: kindMend(wanted, found)};
}

function kindMend(wanted: string, found: Tree | undefined): string {
  if (found?.kind !== 'scalar')
    return wanted === 'a list' ? 'Begin each entry with `- `' : `Write ${wanted} here`;
  if (found.value === null) return 'Give it a value, or remove the key';
  if (wanted.startsWith('text') && typeof found.value !== 'string')
    return `Put it in quotes: ${quoted(found.written)}`;
  if (wanted === 'true or false') return 'Write true or false; YAML 1.2 takes yes, no, on and off for text';
  if (wanted === 'a list') return `Write a list: [${found.written}]`;
  if (wanted.endsWith('number') && isText(found) && /^-?[0-9]+$/.test(found.value))
    return `Remove the quotes: ${found.value}`;
  return `Write ${wanted} here`;
}

/** As text; an octal number as chmod(1) writes it. */
function quoted(written: string): string {
  return `"${written.replace(/^0o/, '0')}"`;
}

function foundName(found: Tree | undefined): string {
  if (found === undefined) return 'absent';
  if (found.kind === 'list') return 'a list';
  if (found.kind === 'map') return 'a mapping';
  if (found.value === null) return 'empty';
  if (typeof found.value === 'string') return `the text ${quote(found.value)}`;
  if (typeof found.value !== 'number') return `the value ${found.written}`;
  const read = String(found.value);
  return `the number ${found.written}${read === found.written ? '' : ` (which YAML reads as ${read})`}`;
}

export function wrongValue(values: readonly unknown[], found: Tree, name: string): Wording {
  const texts = values.map(String);
  const list = texts.join(', ');
  if (found.kind !== 'scalar') return wrongKind(texts.length === 1 ? list : `one of ${list}`, found, {name});
  if (values.every((value) => typeof value === 'string') && typeof found.value === 'number') {
    const quoted = `"${found.written}"`;
    const hint = texts.includes(found.written)
      ? `Put it in quotes: ${quoted}`
      : `Write one of ${list}, a number in quotes`;
    return {
      message: `${name} is the number ${found.written}, wanted is text (YAML would read 1.10 as 1.1)`,
      hint,
    };
  }
  const near = isText(found) ? nearest(found.value, texts) : undefined;
  const hint =
    near === undefined
      ? texts.length === 1
        ? `Write ${list}`
        : `Write one of ${list}`
      : `Write \`${near}\``;
  return {
    message: `${name} is ${foundName(found)}, wanted is ${texts.length === 1 ? list : `one of ${list}`}`,
    hint,
  };
}

export function outOfRange(
  issue: Issue & {readonly code: 'too_small' | 'too_big'},
  found: Tree | undefined,
  name: string,
) {
  const small = issue.code === 'too_small';
  const bound = String(small ? issue.minimum : issue.maximum);
  if (found?.kind === 'scalar' && typeof found.value === 'number') {
    const edge = small ? 'least' : 'most';
    return {
      message: `${name} is ${found.written}, it can be ${bound} at ${edge}`,
      hint: `Write a number that is at ${edge} ${bound}`,
    };
  }
  return {message: `${name} is empty`, hint: 'Give it a value, or remove the key'};
}

/** Words of other tools, and what they are called here. */
const elsewhere: Readonly<Record<string, string>> = {
  runcmd: 'Write `provision: [{shell: …}]`: it runs while the image is built',
  bootcmd: 'Write `provision: [{shell: …}]`: it runs while the image is built',
  '<<': 'Merge keys are not part of YAML 1.2: write the keys out, or use `extends`',
  profile: 'Write `profiles: {<name>: …}`, and choose one with --profile',
  apt: 'Write `repositories: …`, or `os: {mirror: …}`',
  trusted: 'Write `signed_by: <key file>`: every repository is verified',
  distro: 'Write `os: {distribution: …}`',
  target: 'Write `targets: …`',
};

const passwordKeys = new Set([
  'password',
  'passwd',
  'plain_text_passwd',
  'plain_text_password',
  'pass',
  'chpasswd',
]);

export function unknownKey(key: string, known: readonly string[], name: string): Wording {
  const where = name === '' ? '' : ` in ${name}`;
  const message = `Unknown key ${quote(key)}${where}`;
  if (passwordKeys.has(key)) {
    return {
      message,
      hint: 'Write `hashed_passwd` with a hash made by `mkpasswd -m yescrypt`, never a password',
      secret: true,
    };
  }
  if (known.includes(key)) return {message, hint: 'Make it an entry of its own'};
  const near = nearest(key, known);
  if (near !== undefined) return {message, hint: `Write \`${near}\``};
  return {message, hint: elsewhere[key] ?? `Known here: ${known.join(', ')}`};
}

export function fromMessage(text: string): Wording {
  const [message = text, hint = 'See docs/reference/spec.md'] = text.split('\n');
  return {message, hint};
}
