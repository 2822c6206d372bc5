import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {promisify} from 'node:util';
import type {ArchiveSource} from '../plan/archives.ts';
import {fail, ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {cleanEnvironment} from '../sandbox/environment.ts';
import {type BringOptions, type Brought, bringDebs, type WantedDeb} from './bring.ts';
import {findSources, type SourceName, type SourcePackage} from './sources-index.ts';
import {archiveUri} from './wanted.ts';

/** A suite that may list source packages. */
export interface SourceArchive {
  readonly source: ArchiveSource;
  /** Roots of its snapshots, the likeliest first. */
  readonly snapshots: readonly string[];
}

export interface BringSourcesOptions extends BringOptions {
  readonly projectDir: string;
  /** Absolute path of a program of the host. */
  readonly tool: (name: string) => string;
  readonly archives: readonly SourceArchive[];
}

export interface BroughtSources {
  /** The files of the source packages, which lie in the store now. */
  readonly files: readonly WantedDeb[];
  readonly packages: number;
  readonly brought: Brought;
}

const run = promisify(execFile);

/** The source packages that these .debs were built from, by what their control files say (deb-control(5), Source). */
export async function sourceNames(
  debs: readonly string[],
  tool: (name: string) => string,
): Promise<readonly SourceName[]> {
  const names = new Map<string, SourceName>();
  for (let start = 0; start < debs.length; start += atOnce) {
    const fields = await Promise.all(
      debs.slice(start, start + atOnce).map(async (deb) => {
        const {stdout} = await run(tool('dpkg-deb'), ['--field', deb, 'Package', 'Version', 'Source'], {
          env: cleanEnvironment,
          encoding: 'utf8',
        });
        return stdout;
      }),
    );
    for (const control of fields) {
      const one = parseSourceName(control);
      names.set(`${one.name} ${one.version}`, one);
    }
  }
  return [...names.values()];
}

const atOnce = 4;

/** `Source: name (version)`; a part that is left out is the package's own. */
export function parseSourceName(control: string): SourceName {
  const field = (name: string): string =>
    new RegExp(`^${name}: (?<value>.*)$`, 'm').exec(control)?.groups?.['value'] ?? '';
  const {name, version} = /^(?<name>\S+)(?: \((?<version>[^)]+)\))?$/.exec(field('Source'))?.groups ?? {};
  return {name: name ?? field('Package'), version: version ?? field('Version')};
}

/**
 * Brings source packages into the store, each file verified by the SHA-256 that the archive's list of sources has for
 * it, where the archive does not have them any more from its snapshots. apt verified that list.
 */
export async function bringSources(
  wanted: readonly SourceName[],
  options: BringSourcesOptions,
): Promise<Result<BroughtSources, StageFailure>> {
  const {work, progress} = options;
  const found: SourcePackage[] = [];
  let missing = wanted;
  for (let index = 0; missing.length > 0; index += 1) {
    const archives = options.archives.flatMap((archive) => listedAt(archive, index));
    if (archives.length === 0) break;
    progress('Reading lists of source packages');
    const folder = join(work, `sources-${String(index)}`);
    const here = await findSources(archives, missing, {...options, folder});
    found.push(...here);
    const known = new Set(here.map(title));
    missing = missing.filter((one) => !known.has(title(one)));
  }
  if (missing.length > 0) return fail(notListed(missing));
  const snapshots = new Map(options.archives.map((archive) => [archive.source.uri, archive.snapshots]));
  const files = found.flatMap((one) => filesOf(one, snapshots.get(one.root) ?? []));
  const brought = await bringDebs(files, options);
  return brought.ok ? ok({files, packages: found.length, brought: brought.value}) : brought;
}

/** The lists of sources of an archive as it is, then of its snapshots. */
function listedAt({source, snapshots}: SourceArchive, index: number): readonly ArchiveSource[] {
  if (index === 0) return [source];
  const uri = snapshots[index - 1];
  return uri === undefined ? [] : [{...source, uri, expired_ok: true}];
}

function filesOf(
  {name, version, root, directory, files}: SourcePackage,
  snapshots: readonly string[],
): readonly WantedDeb[] {
  return files.map((file) => ({
    name,
    version,
    architecture: 'source',
    fileName: file.name,
    sizeBytes: file.sizeBytes,
    sha256: file.sha256,
    uris: [archiveUri(root, `${directory}/${file.name}`)],
    snapshotUris: snapshots.map((at) => archiveUri(at, `${directory}/${file.name}`)),
  }));
}

const mostTold = 10;

function notListed(missing: readonly SourceName[]): StageFailure {
  const told = missing.slice(0, mostTold).map(title);
  const more = missing.length - told.length;
  return {
    reason: 'refused',
    message: `The archives list no source package for ${told.length === 1 ? (told[0] ?? '') : `${String(missing.length)} packages`}`,
    details: told.length === 1 ? [] : [...told, ...(more === 0 ? [] : [`and ${String(more)} more`])],
    hint: 'Run "fgimage update" to take what the archives have now, or name an archive of snapshots with os.snapshots in the spec',
  };
}

function title({name, version}: SourceName): string {
  return `${name} ${version}`;
}
