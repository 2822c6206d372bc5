import {
  copyFileSync,
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
import type {ArchiveSource} from '../plan/archives.ts';
import {type CommandLog, runProcess} from '../sandbox/process.ts';
import {sourceLines} from '../stages/apt-sources.ts';
import {hostAptOptions, hostEnvironment, tied} from '../stages/host-command.ts';
import {listPrefix} from './package-lists.ts';

/** A source package by name and version, as the `Source` field of a binary package says it. */
export interface SourceName {
  readonly name: string;
  readonly version: string;
}

/** A source package as an archive has it: a .dsc and what belongs to it. */
export interface SourcePackage extends SourceName {
  /** Root of the archive. */
  readonly root: string;
  readonly directory: string;
  readonly files: readonly {readonly name: string; readonly sizeBytes: number; readonly sha256: string}[];
}

export interface SourceIndexOptions {
  /** Absolute path of a program of the host. */
  readonly tool: (name: string) => string;
  /** A new folder for apt's lists. */
  readonly folder: string;
  /** Keys of repositories are files of the project. */
  readonly projectDir: string;
  readonly log: CommandLog;
  readonly signal: AbortSignal;
}

/**
 * What the archives' lists of sources (deb-src of sources.list(5), verified by apt) say of these source packages. Where
 * a list cannot be had it says nothing; the log has why.
 */
export async function findSources(
  archives: readonly ArchiveSource[],
  wanted: readonly SourceName[],
  options: SourceIndexOptions,
): Promise<readonly SourcePackage[]> {
  const lists = await readLists(archives, options);
  const names = new Map(wanted.map((one) => [`${one.name} ${one.version}`, one]));
  const found = new Map<string, SourcePackage>();
  for (const file of readdirSync(lists).sort()) {
    const archive = archives.find((one) => file.startsWith(listPrefix(one)));
    if (!file.endsWith('_Sources') || archive === undefined) continue;
    for (const one of parseSources(readFileSync(join(lists, file), 'utf8'), archive.uri)) {
      const key = `${one.name} ${one.version}`;
      if (names.has(key) && !found.has(key)) found.set(key, one);
    }
  }
  return [...found.values()];
}

/** Reads a Sources file (deb-src-control(5), with the fields that archives add); stanzas without SHA-256 are none. */
export function* parseSources(text: string, root: string): Generator<SourcePackage> {
  for (const stanza of text.split(/\n\n+/)) {
    const field = (name: string): string | undefined =>
      new RegExp(`^${name}: *(?<value>.*(?:\\n[ \\t].*)*)`, 'm').exec(stanza)?.groups?.['value'];
    const name = field('Package');
    const version = field('Version');
    const directory = field('Directory');
    const files = [...(field('Checksums-Sha256') ?? '').matchAll(/^ *([0-9a-f]{64}) (\d+) (\S+)$/gm)].map(
      ([, digest = '', size = '', file = '']) => ({name: file, sizeBytes: Number(size), sha256: digest}),
    );
    if (name === undefined || version === undefined || directory === undefined || files.length === 0)
      continue;
    if (files.every((file) => /^[A-Za-z0-9][A-Za-z0-9%+.~_-]*$/.test(file.name)))
      yield {name, version, root, directory, files};
  }
}

async function readLists(archives: readonly ArchiveSource[], options: SourceIndexOptions): Promise<string> {
  const {folder, projectDir, tool, log, signal} = options;
  const lists = join(folder, 'lists');
  mkdirSync(join(lists, 'partial'), {recursive: true});
  // sources.list(5) has no way to write a path with a blank, and the project's may have one.
  const keys = mkdtempSync(join(tmpdir(), 'fgimage-keys-'));
  try {
    const lines = sourceLines(archives, (key) => {
      const copy = join(keys, `${sha256(key).slice(0, 16)}${extname(key)}`);
      copyFileSync(join(projectDir, key), copy);
      return copy;
    });
    const sourceFile = join(folder, 'sources.list');
    writeFileSync(sourceFile, lines.replaceAll(/^deb /gm, 'deb-src '));
    const settings = [
      `Dir::Etc::SourceList=${sourceFile}`,
      `Dir::State::Lists=${lists}/`,
      'Acquire::Languages=none',
      'Acquire::GzipIndexes=false',
    ];
    const command = tied(
      tool('apt-get'),
      ...hostAptOptions(join(folder, 'apt')),
      ...settings.flatMap((setting) => ['-o', setting]),
      'update',
    );
    await runProcess(command, {env: hostEnvironment(), log, signal});
    signal.throwIfAborted();
    return lists;
  } finally {
    rmSync(keys, {recursive: true, force: true});
  }
}
