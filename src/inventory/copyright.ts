import {parseControl} from './control.ts';
import {licenceRef, spdxLicence} from './licences.ts';

/** What a package's copyright file tells of its licences. */
export interface Copyright {
  /** SPDX expressions, one for each `License` that is named; sorted. All of them hold for some of the files. */
  readonly licences: readonly string[];
  /** What the `LicenseRef-…`s among them stand for; by ref. */
  readonly named: readonly NamedLicence[];
}

export interface NamedLicence {
  readonly ref: string;
  readonly name: string;
  readonly text: string;
}

const unknown: Copyright = {licences: [], named: []};

/**
 * Reads a machine-readable copyright file (https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/). Of one in
 * another form nothing is told: only a person can say what it means.
 */
export function parseCopyright(text: string): Copyright {
  if (
    !/^(?:Format|Format-Specification):.*(?:copyright-format|dep5|dep-5|CopyrightFormat)/im.test(
      text.slice(0, 4096),
    )
  )
    return unknown;
  const licences = new Set<string>();
  const names = new Map<string, string>();
  const texts = new Map<string, string>();
  for (const paragraph of parseControl(text)) {
    const field = paragraph.get('License');
    if (field === '') continue;
    const end = field.indexOf('\n');
    const short = (end < 0 ? field : field.slice(0, end)).trim();
    const body = end < 0 ? '' : unfold(field.slice(end + 1));
    if (short === '') continue;
    const isUsed = paragraph.get('Files') !== '' || paragraph.get('Format') !== '';
    const {expression, named} = licenceExpression(short);
    if (isUsed) {
      licences.add(expression);
      for (const {ref, name} of named) names.set(ref, name);
    }
    const only = named.length === 1 && named[0]?.ref === expression ? expression : undefined;
    if (only !== undefined && body !== '' && !texts.has(only)) texts.set(only, body);
  }
  const named = [...names].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    licences: [...licences].sort(),
    named: named.map(([ref, name]) => ({
      ref,
      name,
      text: texts.get(ref) ?? `Named "${name}" in the copyright file.`,
    })),
  };
}

/** A line of only a dot stands for an empty one. */
function unfold(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace(/^[ \t]/, '').trimEnd())
    .map((line) => (line === '.' ? '' : line))
    .join('\n')
    .trim();
}

interface Expression {
  readonly expression: string;
  readonly named: readonly Omit<NamedLicence, 'text'>[];
}

/**
 * The first line of a License field as an SPDX expression: `and` binds closer than `or`, and both closer than a comma
 * before them (copyright-format 1.0, section 7.2).
 */
export function licenceExpression(short: string): Expression {
  const text = short.replaceAll(/\s+/g, ' ').trim();
  for (const [separator, operator] of [
    [/,\s*or\s+/i, 'OR'],
    [/,\s*and\s+/i, 'AND'],
    [/\s+(?:or|and\/or)\s+|\s*\|\s*/i, 'OR'],
    [/\s+and\s+|,\s*/i, 'AND'],
  ] as const) {
    const words = text.split(separator).filter((word) => word !== '');
    if (words.length > 1) return combine(words.map(licenceExpression), operator);
  }
  const id = spdxLicence(text);
  if (id !== undefined) return {expression: id, named: []};
  const ref = licenceRef(text);
  return {expression: ref, named: [{ref, name: text}]};
}

function combine(parts: readonly Expression[], operator: 'OR' | 'AND'): Expression {
  return {
    expression: joinLicences([...new Set(parts.map(({expression}) => expression))].sort(), operator),
    named: parts.flatMap(({named}) => named),
  };
}

/** One expression of several, in parentheses where one is made with the other operator. */
export function joinLicences(expressions: readonly string[], operator: 'OR' | 'AND'): string {
  if (expressions.length === 1) return expressions[0] ?? '';
  const other = operator === 'OR' ? ' AND ' : ' OR ';
  return expressions.map((one) => (one.includes(other) ? `(${one})` : one)).join(` ${operator} `);
}
