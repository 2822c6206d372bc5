import type {FileDifference, InsideDifference} from '../compare/files.ts';
import {likelyCause} from '../compare/likely.ts';
import type {EntryDifference} from '../compare/manifests.ts';
import type {ArtifactVerdict, StageVerdict} from '../compare/verdict.ts';
import type {Reason} from '../plan/explain.ts';
import type {Position} from '../spec/diagnostic.ts';
import {formatCount, formatDuration, printable} from '../ui/format.ts';
import {formatReason} from '../ui/reasons.ts';
import type {Style} from '../ui/style.ts';

/** The first stage that did not give what it gave before, and what is known of that. */
export interface FirstDifference extends StageVerdict {
  readonly title?: string;
  /** Where the spec has what the stage does. */
  readonly position?: Position;
  readonly difference?: InsideDifference;
  /** The first content is no longer in the cache: only digests could be compared. */
  readonly purged?: true;
  /** Why nothing is recorded of its key. */
  readonly reasons?: readonly Reason[];
  /** What diffoscope says of the first file that differs. */
  readonly diffoscope?: string;
}

export interface Verdict {
  readonly same: boolean;
  /** As it was named. */
  readonly artifact: string;
  /** Of the second build. */
  readonly durationMs: number;
  readonly stages: readonly StageVerdict[];
  readonly artifacts: readonly {readonly name: string; readonly files: readonly ArtifactVerdict[]}[];
  readonly first?: FirstDifference;
}

/** The verdict for people. */
export function formatVerdict(
  verdict: Verdict,
  {style, kept}: {readonly style: Style; readonly kept: string | undefined},
): readonly string[] {
  const {same, artifact, durationMs, stages, artifacts, first} = verdict;
  const again = `built again in ${formatDuration(durationMs)}: ${formatCount(stages.length, 'stage')}`;
  const headline = same
    ? style.green(`${printable(artifact)} is the same, ${again}`)
    : style.red(`${printable(artifact)} is not the same, ${again}`);
  return [
    headline,
    ...(first === undefined ? [] : ['', ...firstLines(first, style), ...othersLine(verdict, first)]),
    ...(first === undefined || !same ? [] : ['none of it reaches the artifact']),
    ...(first !== undefined || same
      ? []
      : ['', 'every stage gave the same: what was handed out has been changed since, or is not all there']),
    ...artifacts.flatMap(({name, files}) => [
      '',
      style.bold(printable(name)),
      ...files.map((file) => fileLine(file, style)),
    ]),
    ...(kept === undefined ? [] : ['', `the second build: ${printable(kept)}`]),
  ];
}

const indent = '  ';
const toldDigits = 12;
const toldEntries = 5;

function firstLines(first: FirstDifference, style: Style): readonly string[] {
  const {stage, verdict, was, is, purged, reasons = [], difference, diffoscope} = first;
  const name = style.bold(printable(stage));
  if (verdict !== 'differs') {
    const lines = reasons.map((reason) => `${indent}${formatReason(reason)}`);
    return [`${name} is the first that is not known from the first build:`, ...whereLines(first), ...lines];
  }
  const gave = `${was?.slice(0, toldDigits) ?? ''} → ${is.slice(0, toldDigits)}`;
  return [
    `${name} is the first that differs: made of the same, it gave ${gave}`,
    ...whereLines(first),
    ...(purged === true
      ? [`${indent}what it gave first is no longer in the cache: only the digests were compared`]
      : []),
    ...(difference === undefined ? [] : treeLines(difference)),
    ...(diffoscope === undefined
      ? []
      : ['', 'diffoscope:', ...diffoscope.split('\n').map((line) => `${indent}${printable(line)}`)]),
  ];
}

function whereLines({position}: FirstDifference): readonly string[] {
  if (position === undefined) return [];
  const {file, line, column, excerpt} = position;
  return [`${indent}${printable(file)}:${String(line)}:${String(column)}: ${printable(excerpt.trim())}`];
}

function treeLines({entries = [], count = entries.length, content}: InsideDifference): readonly string[] {
  const first = entries.find(({path}) => path === content?.path) ?? entries[0];
  if (first === undefined) return [`${indent}no path of it differs: its content was changed in the cache`];
  const difference = first.path === content?.path ? content.difference : undefined;
  const cause = likelyCause(first.path, difference, first);
  const others = entries.filter((one) => one !== first).slice(0, toldEntries);
  const rest = count - 1 - others.length;
  return [
    `${indent}${entryLine(first)}`,
    ...(difference === undefined ? [] : fileLines(difference, indent.repeat(2))),
    ...(cause === undefined ? [] : [`${indent}likely: ${cause}`]),
    ...others.map((one) => `${indent}${entryLine(one)}`),
    ...(rest > 0 ? [`${indent}and ${formatCount(rest, 'more path')}`] : []),
  ];
}

function entryLine(entry: EntryDifference): string {
  const path = `/${printable(entry.path)}`;
  if (entry.change !== 'changed') {
    const when = entry.change === 'added' ? 'only in the second build' : 'only in the first build';
    return `${path}: ${entry.type} ${when}`;
  }
  const fields = entry.fields.map(({field, a, b}) =>
    field === 'content' ? 'content' : `${field} ${printable(a)} → ${printable(b)}`,
  );
  return `${path}: ${fields.join(', ')}`;
}

/** Where two files begin to differ, down to what they hold. */
function fileLines(
  {offset, sizes, place, bytes, line, inside}: FileDifference,
  margin: string,
): readonly string[] {
  const size =
    sizes.a === sizes.b ? `of ${String(sizes.a)} bytes` : `of ${String(sizes.a)} → ${String(sizes.b)} bytes`;
  const where = place.length === 0 ? '' : `: ${printable(place.join(', '))}`;
  const shown =
    line === undefined
      ? [`was ${bytes.a}`, `is  ${bytes.b}`]
      : [
          `line ${String(line.number)} was ${printable(line.a)}`,
          `line ${String(line.number)} is  ${printable(line.b)}`,
        ];
  return [
    `${margin}first at offset ${String(offset)} ${size}${where}`,
    ...shown.map((text) => `${margin}${text}`),
    ...(inside === undefined ? [] : insideLines(inside, margin)),
  ];
}

function insideLines({what, file, entries, content}: InsideDifference, margin: string): readonly string[] {
  if (file !== undefined) return [`${margin}${what}:`, ...fileLines(file, `${margin}${indent}`)];
  const [first] = entries ?? [];
  if (first === undefined) return [`${margin}${what} is the same: only how it is packed differs`];
  return [
    `${margin}${what}: ${entryLine(first)}`,
    ...(content === undefined ? [] : fileLines(content.difference, `${margin}${indent}`)),
  ];
}

/** The stages that differ because of the first, and those that differ by themselves. */
function othersLine({stages}: Verdict, first: FirstDifference): readonly string[] {
  const others = stages.filter(({stage, verdict}) => stage !== first.stage && verdict !== 'same');
  const named = (verdicts: readonly StageVerdict['verdict'][]): string =>
    others.flatMap(({stage, verdict}) => (verdicts.includes(verdict) ? [printable(stage)] : [])).join(', ');
  const [own, following] = [named(['differs', 'unrecorded']), named(['follows'])];
  return [
    ...(own === '' ? [] : [`also different by itself: ${own}`]),
    ...(following === '' ? [] : [`made of what differs: ${following}`]),
  ];
}

function fileLine({path, was, is}: ArtifactVerdict, style: Style): string {
  const name = printable(path);
  if (was === is && is !== undefined) return `${indent}${is}  ${name}`;
  if (was === undefined) return style.red(`${indent}${name} was not there, is ${is ?? ''}`);
  if (is === undefined) return style.red(`${indent}${name} was ${was}, is not there`);
  return style.red(`${indent}${name} was ${was}, is ${is}`);
}
