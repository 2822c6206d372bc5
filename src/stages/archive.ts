import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {extname, join} from 'node:path';
import {sha256} from '../../cache/tree.ts';
import {fail, ok} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {runProcess} from '../sandbox/process.ts';
import {distributions} from '../spec/distributions.ts';
import {readTemplate} from '../spec/template.ts';
import {type AptSource, sourceLines} from './apt-sources.ts';
import {hostAptOptions, hostEnvironment, tied} from './host-command.ts';
import type {StageContext, StageRunner} from './stage.ts';
import {commandResult, scratchFile} from './tree.ts';

/**
 * The package lists of an archive, verified against its keys by apt: what every later stage resolves against, so
 * that all packages of an image are of one moment. It is asked again only by `--refresh`.
 */
export const runArchive: StageRunner = async (context) => {
  if (context.offline) return fail({failure: offline});
  const sources = context.node.params['sources'] as unknown as readonly AptSource[];
  const keyring = missingKeyring(sources);
  if (keyring !== undefined) return fail({failure: keyring});
  const apt = join(context.work, 'apt');
  const lists = join(apt, 'lists');
  mkdirSync(join(lists, 'partial'), {recursive: true});
  // sources.list(5) has no way to write a path with a blank, and the project's or the cache's may have one.
  let keys: string | undefined;
  const keysFolder = (): string => (keys ??= mkdtempSync(join(tmpdir(), 'fgimage-keys-')));
  try {
    const sourceFile = scratchFile(
      context,
      'sources.list',
      sourceLines(sources, (key) => copyKey(join(context.projectDir, key), keysFolder())),
    );
    return await readLists(context, {apt, lists, sourceFile});
  } finally {
    if (keys !== undefined) rmSync(keys, {recursive: true, force: true});
  }
};

const offline: StageFailure = {
  reason: 'refused',
  message: 'Package lists are not in the cache, and none are asked for offline',
  hint: 'Make a lock with "fgimage lock" and bring its packages with "fgimage fetch"; then "fgimage build --offline" works',
};

/** Keyrings of distributions are those of the host: one that it has no package of yet is told before apt fails. */
function missingKeyring(sources: readonly AptSource[]): StageFailure | undefined {
  const path = sources.find((one) => !one.project_key && !existsSync(one.signed_by))?.signed_by;
  if (path === undefined) return undefined;
  const known = distributions()
    .map(readTemplate)
    .find(({apt}) => apt?.keyring === path);
  const name = known?.apt?.keyring_package;
  return {
    reason: 'refused',
    message: `This host has no ${path}, which the packages${known === undefined ? '' : ` of ${known.title}`} are verified with`,
    hint: `${name === undefined ? 'Put it there' : `Install the package ${name} (sudo apt-get install ${name})`}, or name the key of your mirror, a file of the project, in os.signed_by`,
  };
}

function copyKey(key: string, folder: string): string {
  const copy = join(folder, `${sha256(key).slice(0, 16)}${extname(key)}`);
  copyFileSync(key, copy);
  return copy;
}

async function readLists(
  context: StageContext,
  {apt, lists, sourceFile}: {apt: string; lists: string; sourceFile: string},
): ReturnType<StageRunner> {
  context.progress('Reading package lists');
  const {architecture} = context.node.params as unknown as {readonly architecture: string};
  const outcome = await runProcess(
    tied(
      context.tool('apt-get'),
      ...hostAptOptions(apt),
      '-o',
      `Dir::Etc::SourceList=${sourceFile}`,
      '-o',
      `Dir::State::Lists=${lists}/`,
      '-o',
      `APT::Architecture=${architecture}`,
      '-o',
      `APT::Architectures=${architecture}`,
      '-o',
      'Acquire::Languages=none',
      '-o',
      'Acquire::GzipIndexes=false',
      '-o',
      'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false',
      '-o',
      'APT::Update::Error-Mode=any',
      'update',
    ),
    {env: hostEnvironment(), log: context.log, signal: context.signal},
  );
  const updated = commandResult(context, {outcome, shown: ['apt-get', 'update'], hint: archiveHint(context)});
  if (!updated.ok) return fail({failure: asArchiveFailure(context, updated.error)});
  mkdirSync(join(context.output, 'lists'), {recursive: true});
  for (const name of readdirSync(lists)) {
    if (name === 'lock' || name === 'partial' || name === 'auxfiles') continue;
    copyFileSync(join(lists, name), join(context.output, 'lists', name));
  }
  for (const folder of ['partial', 'auxfiles']) mkdirSync(join(context.output, 'lists', folder));
  const sources = context.node.params['sources'] as unknown as readonly AptSource[];
  writeFileSync(join(context.output, sourcesFile), sourceLines(sources));
  writeFileSync(
    join(context.output, packageNamesFile),
    `${packageNames(join(context.output, 'lists')).join('\n')}\n`,
  );
  rmSync(apt, {recursive: true, force: true});
  return ok({result: {}});
}

/** sources.list(5) of the lists, for whoever reads them: they were verified, keys need not be at hand any more. */
export const sourcesFile = 'sources.list';

/** Names of all packages, virtual ones too, one a line: so that a misspelt name is found before anything is built. */
export const packageNamesFile = 'package-names';

/** Reads the names out of the Packages files (deb-control(5): Package and Provides). */
function packageNames(lists: string): readonly string[] {
  const names = new Set<string>();
  for (const file of readdirSync(lists)) {
    if (!file.endsWith('_Packages')) continue;
    for (const {groups} of readFileSync(join(lists, file), 'utf8').matchAll(
      /^(?<field>Package|Provides): (?<value>.*)$/gm,
    )) {
      const value = groups?.['value'] ?? '';
      if (groups?.['field'] === 'Package') names.add(value);
      else for (const provided of value.split(',')) names.add(provided.trim().replace(/[\s(].*$/s, ''));
    }
  }
  return [...names].sort();
}

function archiveHint(context: StageContext): string {
  const sources = context.node.params['sources'] as unknown as readonly AptSource[];
  const uris = [...new Set(sources.map(({uri}) => uri))].join(', ');
  return `Check that ${uris} can be reached from this host (os.mirror and repositories in the spec, else the host's own apt sources), then run the build again`;
}

function asArchiveFailure(context: StageContext, failure: StageFailure): StageFailure {
  if (failure.reason !== 'command-failed') return failure;
  const unsigned = failure.lastLines.find((line) => /NO_PUBKEY|is not signed|EXPKEYSIG|BADSIG/.test(line));
  if (unsigned === undefined) return failure;
  return {
    ...failure,
    hint: `The archive's signature was not accepted: ${unsigned.trim()}. Name the right key in signed_by`,
    logPath: context.log.path,
  };
}
