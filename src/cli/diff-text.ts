import type {ConfigurationChange, ImageChanges, SizeChange} from '../compare/images.ts';
import type {ItemChange} from '../compare/items.ts';
import type {EntryDifference} from '../compare/manifests.ts';
import type {RunChanges, RunStage, RunStageChange} from '../compare/runs.ts';
import type {LockChanges, NamedChange, PackageChange} from '../lock/diff.ts';
import {formatCount, formatDuration, formatSize, printable} from '../ui/format.ts';
import {formatReason} from '../ui/reasons.ts';
import type {Style} from '../ui/style.ts';

/** Words for the two sides. */
export interface Names {
  readonly a: string;
  readonly b: string;
}

/** A heading and what stands below it; left out where that is nothing. */
type Section = readonly [heading: string, lines: readonly string[]];

/** How many characters of a digest tell two apart. */
const digestLength = 12;

export function formatImageChanges(changes: ImageChanges, names: Names, style: Style): readonly string[] {
  const {configuration, packages, files, tree = [], artifacts, sizes, kernels, unknown} = changes;
  const items = (list: readonly ItemChange[]): readonly string[] => list.map((one) => itemLine(one, style));
  return page(names, style, [
    ['configuration', configuration.flatMap((one) => configurationLines(one, style))],
    [heading('packages', packages), packages.map((one) => packageLine(one, style))],
    ['kernel', items(kernels)],
    ['files', [...items(files), ...tree.map((one) => itemLine(entryItem(one), style))]],
    ['users', items(changes.users)],
    ['groups', items(changes.groups)],
    ['units', items(changes.units)],
    ['set-user-ID and set-group-ID', items(changes.setuid)],
    ['artifact', items(artifacts)],
    ['size', sizes.map(sizeLine)],
    ['not compared', unknown.map(printable)],
  ]);
}

export function formatLockChanges(
  {archives, stages, sources}: LockChanges,
  names: Names,
  style: Style,
): readonly string[] {
  const named = (list: readonly NamedChange[]): readonly string[] => list.map((one) => namedLine(one, style));
  return page(names, style, [
    ...archives.flatMap(({archive, change, suites, packages}): readonly Section[] => [
      [`${archive}${inBrackets(change)}: suites`, named(suites)],
      [heading(`${archive}: packages`, packages), packages.map((one) => packageLine(one, style))],
    ]),
    ...stages.map(
      ({stage, change, request, packages}): Section => [
        heading(`${stage}${inBrackets(change)}`, packages),
        [...named(request), ...packages.map((one) => packageLine(one, style))],
      ],
    ),
    ...sources.map(({image, files}): Section => [`${image}: files of provisioners`, named(files)]),
  ]);
}

export function formatRunChanges(
  {stages, durationsMs}: RunChanges,
  names: Names,
  style: Style,
): readonly string[] {
  const lines = stages.flatMap((one) => runStageLines(one, style));
  const isSame = stages.length > 0 && stages.every(({change}) => change === 'state');
  return [
    ...(isSame
      ? [`${between(names)}: the same results; what ran only once:`, ...lines]
      : page(names, style, [['stages', lines]])),
    '',
    `took ${formatDuration(durationsMs.a)} → ${formatDuration(durationsMs.b)}`,
  ];
}

function between({a, b}: Names): string {
  return `${printable(a)} → ${printable(b)}`;
}

/** Whatever differs, by headings; one line where nothing does. */
function page(names: Names, style: Style, sections: readonly Section[]): readonly string[] {
  const told = sections.filter(([, lines]) => lines.length > 0);
  if (told.every(([title]) => title === 'not compared')) {
    return [
      `${between(names)}: the same`,
      ...told.flatMap(([, lines]) => lines.map((line) => `  not compared: ${line}`)),
    ];
  }
  return [
    between(names),
    ...told.flatMap(([title, lines]) => ['', style.bold(title), ...lines.map((line) => `  ${line}`)]),
  ];
}

function inBrackets(text: string | undefined): string {
  return text === undefined ? '' : ` (${text})`;
}

/** `packages: 2 upgraded, 1 added, 1 security update`. */
function heading(title: string, packages: readonly PackageChange[]): string {
  const kinds = ['upgraded', 'downgraded', 'changed', 'added', 'removed'] as const;
  const counts = kinds.flatMap((kind) => {
    const count = packages.filter(({change}) => change === kind).length;
    return count === 0 ? [] : [`${String(count)} ${kind}`];
  });
  const security = packages.filter((one) => one.security === true).length;
  const told = [...counts, ...(security === 0 ? [] : [formatCount(security, 'security update')])];
  return told.length === 0 ? title : `${title}: ${told.join(', ')}`;
}

/** One package: `~ openssl 3.0.15-1 → 3.0.17-1 (upgraded, security)`. */
function packageLine(
  {change, name, architecture, from = '', to = '', security}: PackageChange,
  style: Style,
): string {
  const word = printable(name);
  switch (change) {
    case 'added':
      return style.green(`+ ${word} ${printable(to)}`);
    case 'removed':
      return style.red(`- ${word} ${printable(from)}`);
    case 'changed':
      return `~ ${word} ${printable(to)} (${architecture}: another file of the same version)`;
    case 'upgraded':
    case 'downgraded': {
      const note = `${change}${security === true ? ', security' : ''}`;
      return `~ ${word} ${printable(from)} → ${printable(to)} (${change === 'downgraded' ? style.yellow(note) : note})`;
    }
  }
}

function configurationLines({stage, change, reasons}: ConfigurationChange, style: Style): readonly string[] {
  if (change !== 'changed') return [sign({change, text: stage}, style)];
  return reasons.map((reason) => `~ ${printable(stage)}: ${formatReason(reason)}`);
}

function itemLine({change, name, fields = []}: ItemChange, style: Style): string {
  const told = fields.map(({field, a, b}) => `${field} ${shortValue(a)} → ${shortValue(b)}`);
  return sign({change, text: told.length === 0 ? name : `${name} (${told.join(', ')})`}, style);
}

function entryItem(entry: EntryDifference): ItemChange {
  const name = `/${entry.path}`;
  return entry.change === 'changed'
    ? {change: 'changed', name, fields: entry.fields}
    : {change: entry.change, name};
}

function namedLine({change, name, from = '', to = ''}: NamedChange, style: Style): string {
  const [was, is] = [from, to].map((text) => text.split(' ').map(shortValue).join(' '));
  if (change === 'changed') return sign({change, text: `${name} (${was ?? ''} → ${is ?? ''})`}, style);
  return sign({change, text: `${name} ${was ?? ''}${is ?? ''}`.trimEnd()}, style);
}

function sign(
  {change, text}: {readonly change: 'added' | 'removed' | 'changed'; readonly text: string},
  style: Style,
): string {
  const line = `${{added: '+', removed: '-', changed: '~'}[change]} ${printable(text)}`;
  if (change === 'changed') return line;
  return change === 'added' ? style.green(line) : style.red(line);
}

function shortValue(value: string): string {
  return /^[0-9a-f]{64}$/.test(value) ? value.slice(0, digestLength) : value;
}

function sizeLine({name, a, b}: SizeChange): string {
  if (a === undefined || b === undefined) return `${printable(name)} ${formatSize(a ?? b ?? 0)}`;
  const more = b > a ? '+' : '-';
  return `${printable(name)} ${formatSize(a)} → ${formatSize(b)} (${more}${formatSize(Math.abs(b - a))})`;
}

function runStageLines({stage, change, a, b, reasons = []}: RunStageChange, style: Style): readonly string[] {
  const name = printable(stage);
  switch (change) {
    case 'added':
      return [style.green(`+ ${name} (${stateText(b)})`)];
    case 'removed':
      return [style.red(`- ${name} (${stateText(a)})`)];
    case 'key':
      return [
        `~ ${name} (${stateText(a)} → ${stateText(b)})`,
        ...reasons.map((one) => `    ${formatReason(one)}`),
      ];
    case 'result': {
      const [was, is] = [a, b].map((one) => one?.digest?.slice(0, digestLength) ?? 'nothing');
      return [style.yellow(`~ ${name}: made of the same, gave ${was ?? ''} → ${is ?? ''}`)];
    }
    case 'state':
      return [style.dim(`  ${name} (${stateText(a)} → ${stateText(b)})`)];
  }
}

function stateText(stage: RunStage | undefined): string {
  if (stage === undefined) return '';
  const words = {run: 'run', cached: 'cached', failed: 'failed', skipped: 'not run'}[stage.state];
  return stage.state === 'run' || stage.state === 'failed'
    ? `${words} ${formatDuration(stage.durationMs)}`
    : words;
}
