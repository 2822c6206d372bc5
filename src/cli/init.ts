import {readFileSync} from 'node:fs';
import {basename, dirname, join, resolve} from 'node:path';
import {targetSchemas} from '../../targets/schemas.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {formatDiagnostics} from '../spec/diagnostic.ts';
import {distributions} from '../spec/distributions.ts';
import {uri} from '../spec/fields.ts';
import {loadSpec} from '../spec/load.ts';
import {nearest} from '../spec/nearest.ts';
import {type Starter, starterFiles, starterPath, starters} from '../spec/starters.ts';
import {readTemplate} from '../spec/template.ts';
import {formatCommand, printable} from '../ui/format.ts';
import {formatTable} from '../ui/table.ts';
import type {Asker} from './init-ask.ts';
import {refuseToReplace, writeAll} from './init-files.ts';
import {answersOf, type InitAnswers, withAnswers} from './init-spec.ts';

export interface InitOptions {
  readonly template?: string | undefined;
  /** The spec to write. */
  readonly file: string;
  readonly name?: string | undefined;
  readonly distribution?: string | undefined;
  readonly release?: string | undefined;
  readonly mirror?: string | undefined;
  /** Empty: the starter's own. */
  readonly targets: readonly string[];
  /** Whether files that are there may be replaced. */
  readonly force: boolean;
  /** Asks for what was not said; absent: presets are taken. */
  readonly asker?: Asker | undefined;
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
}

/** `fgimage init --list`: the starters. */
export function listStarters(stream: {write(text: string): unknown} = process.stdout): ExitCode {
  const rows = starters().map(({name, title}) => [{text: name}, {text: title}]);
  stream.write(`${formatTable(rows).join('\n')}\n`);
  return exitCode.done;
}

/**
 * `fgimage init`: writes a commented spec from a starter, and what goes with it. Throws `FgError` for what is wrong with
 * what was said, and where a file would be replaced.
 */
export async function runInit(options: InitOptions): Promise<ExitCode> {
  const {file, force, stream = process.stdout} = options;
  try {
    const path = resolve(file);
    const starter = await chooseStarter(options);
    const files = starterFiles(starter.name).map(({path: name, from}) => ({
      path: join(dirname(path), name),
      from,
    }));
    // Before anything is asked.
    refuseToReplace([path, ...files.map((file) => file.path)], force);
    const text = readFileSync(starterPath(starter.name), 'utf8');
    const answers = await answersFor(starter, {preset: answersOf(text), path, options});
    writeAll([{path, text: withAnswers(text, answers)}, ...files]);
    const shown = (name: string): string => printable(join(dirname(file), name));
    const lines = [
      `${printable(file)}, from the starter ${starter.name}`,
      ...starterFiles(starter.name).map(({path: name}) => shown(name)),
    ];
    const named = file === 'fgimage.yaml' ? [] : ['-f', file];
    stream.write(`Written:\n${lines.map((line) => `  ${line}\n`).join('')}`);
    stream.write(
      `Next:\n  ${formatCommand(['fgimage', 'validate', ...named])}   checks it\n` +
        `  ${formatCommand(['fgimage', 'build', ...named])}      builds and boots it\n` +
        `  ${formatCommand(['fgimage', 'lock', ...named])}       pins what it is made of, for builds that can be repeated\n`,
    );
    const loaded = await loadSpec({file: path});
    if (!loaded.ok) stream.write(`To be mended first:\n${formatDiagnostics(loaded.error)}\n`);
    return exitCode.done;
  } finally {
    options.asker?.close();
  }
}

async function chooseStarter({template, asker}: InitOptions): Promise<Starter> {
  const all = starters();
  const names = all.map(({name}) => name);
  const choice = await answer({
    asker,
    said: template,
    question: {
      text: 'Template',
      preset: 'minimal',
      choices: formatTable(all.map(({name, title}) => [{text: name}, {text: title}])),
      problem: (word) => unknownWord('starter', word, names),
    },
  });
  const found = all.find(({name}) => name === choice);
  if (found === undefined) throw new Error(`The starter ${choice} is lost`);
  return found;
}

async function answersFor(
  starter: Starter,
  {
    preset,
    path,
    options,
  }: {readonly preset: InitAnswers; readonly path: string; readonly options: InitOptions},
): Promise<InitAnswers> {
  const {asker} = options;
  const folder = basename(dirname(path));
  const name = await answer({
    asker,
    said: options.name,
    question: {
      text: 'Name of the image',
      preset: asker !== undefined && nameProblem(folder) === undefined ? folder : preset.name,
      problem: nameProblem,
    },
  });
  const fitting = distributions().filter((one) =>
    starter.package_managers.includes(readTemplate(one).package_manager),
  );
  const distribution = await answer({
    asker,
    said: options.distribution,
    question: {
      text: `Distribution (${fitting.join(', ')})`,
      preset: preset.distribution,
      problem: (word) =>
        distributions().includes(word) && !fitting.includes(word)
          ? `The starter ${starter.name} names packages of ${fitting.join(', ')}, not of ${word}`
          : unknownWord('distribution', word, fitting),
    },
  });
  const {releases, dnf} = readTemplate(distribution);
  const words = Object.entries(releases).flatMap(([code, {version, aliases = []}]) => [
    ...[code, version],
    ...aliases,
  ]);
  const release = await answer({
    asker,
    said: options.release,
    question: {
      text: `Release (${Object.keys(releases).join(', ')})`,
      preset: distribution === preset.distribution ? preset.release : (newestRelease(distribution) ?? ''),
      problem: (word) => unknownWord(`release of ${distribution}`, word, words),
    },
  });
  const mirror = await mirrorFor(distribution, options);
  const all = Object.keys(targetSchemas).sort();
  const types = dnf === undefined ? all : all.filter((type) => dnf.targets.includes(type));
  const targets = await answer({
    asker,
    said: options.targets.length === 0 ? undefined : options.targets.join(','),
    question: {
      text: 'Targets, parted by commas',
      preset: preset.targets.join(', '),
      choices: [types.join(', ')],
      problem: (line) =>
        listed(line).length === 0
          ? 'Name one at least'
          : listed(line)
              .map((word) =>
                all.includes(word) && !types.includes(word)
                  ? `The target ${word} does not know ${distribution} yet; those that do are ${types.join(', ')}`
                  : unknownWord('target', word, types),
              )
              .find((problem) => problem !== undefined),
    },
  });
  return {name, distribution, release, mirror, targets: listed(targets)};
}

/** Distributions with rpm packages have no archive that this program, or apt's configuration on this host, could name. */
async function mirrorFor(distribution: string, {mirror, asker}: InitOptions): Promise<string | undefined> {
  const isNeeded = readTemplate(distribution).package_manager !== 'apt';
  if (mirror === undefined && !isNeeded) return undefined;
  if (mirror === undefined && asker === undefined)
    throw new FgError('USAGE', `Where the packages of ${distribution} are is not known`, {
      hint: `Name its mirror: --mirror ${exampleMirror}`,
    });
  // What was said is not repeated: it may hold a password.
  const problem = (word: string): string | undefined =>
    uri(mirrorProtocols).safeParse(word).success
      ? undefined
      : `This is no mirror: begin it with ${mirrorProtocols.map((one) => `${one}://`).join(', ')} and use no blanks`;
  const text = `Mirror of ${distribution}, e.g. ${exampleMirror}`;
  return answer({asker, said: mirror, question: {text, preset: '', problem}});
}

/** As `os.mirror` of src/spec/schema.ts. */
const mirrorProtocols = ['http', 'https', 'file', 'copy'];

/** No host of an archive stands in this program. */
const exampleMirror = 'https://mirror.example.org/repository';

/** What was said, else what a person answers, else the preset. Throws `FgError` for what is wrong with what was said. */
async function answer({
  asker,
  said,
  question,
}: {
  readonly asker: Asker | undefined;
  readonly said: string | undefined;
  readonly question: Parameters<Asker['ask']>[0];
}): Promise<string> {
  if (said === undefined) return asker === undefined ? question.preset : asker.ask(question);
  const problem = question.problem(said);
  if (problem !== undefined)
    throw new FgError('USAGE', problem, {hint: 'See fgimage init --list and --help'});
  return said;
}

function nameProblem(name: string): string | undefined {
  // As `entryName` of src/spec/fields.ts, which the spec is held against later.
  if (/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name)) return undefined;
  return `${JSON.stringify(name)} is no name: lower-case letters, digits, ".", "_" and "-", at most 63, a letter or digit first`;
}

function unknownWord(what: string, word: string, known: readonly string[]): string | undefined {
  if (known.includes(word)) return undefined;
  const near = nearest(word, known);
  return `There is no ${what} ${printable(word)}; ${near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`}`;
}

function listed(line: string): readonly string[] {
  return [
    ...new Set(
      line
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== ''),
    ),
  ];
}

/** By the day of the release. */
function newestRelease(distribution: string): string | undefined {
  const {releases} = readTemplate(distribution);
  const byDay = Object.entries(releases).sort(([, a], [, b]) => b.source_date_epoch - a.source_date_epoch);
  return byDay[0]?.[0];
}
