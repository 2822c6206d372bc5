import {copyFileSync, linkSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {isErrno} from '../errors.ts';
import {fail, ok, type Result} from '../result.ts';
import {type CommandLog, runProcess} from '../sandbox/process.ts';
import {parsePrintUri} from '../stages/apt.ts';
import {type AptSource, sourceLines} from '../stages/apt-sources.ts';
import {hostAptOptions, hostEnvironment, tied} from '../stages/host-command.ts';
import type {LockedPackage} from './lock.ts';
import type {ListedPackage, PackageLists} from './package-lists.ts';

/** What is installed at some place of the graph. */
export type Installed = ReadonlyMap<string, InstalledPackage>;

export interface InstalledPackage extends ListedPackage {
  /** Whether it was installed only because another needs it (apt-mark(8), auto). */
  readonly auto: boolean;
}

export interface SolverOptions {
  /** Scratch folder. */
  readonly work: string;
  /** The lists of an archive stage. */
  readonly lists: string;
  readonly sources: readonly AptSource[];
  readonly architecture: string;
  readonly packages: PackageLists;
  /** Texts for the lists: packages that the archive does not have any more, by the list that they are added to. */
  readonly additions: ReadonlyMap<string, string>;
  readonly aptGet: string;
  readonly log: CommandLog;
  readonly signal: AbortSignal;
}

export interface Question {
  readonly installed: Installed;
  readonly install: readonly string[];
  readonly remove: readonly string[];
  /** Versions that are to be kept, by name. */
  readonly keep: ReadonlyMap<string, string>;
}

/** What apt would do: what comes, what goes. */
export interface Solution {
  readonly added: readonly ListedPackage[];
  readonly removed: readonly string[];
}

/**
 * Asks the host's apt what it would install into a root that is not there: its dpkg status file is written from the
 * package lists. A build asks the image's own apt the same; what it would do otherwise is found by the build.
 */
export class Solver {
  readonly #options: SolverOptions;
  readonly #folder: string;

  constructor(options: SolverOptions) {
    this.#options = options;
    this.#folder = options.work;
    const lists = join(this.#folder, 'lists');
    mkdirSync(join(lists, 'partial'), {recursive: true});
    for (const name of readdirSync(options.lists)) {
      if (name === 'partial' || name === 'auxfiles') continue;
      const to = join(lists, name);
      const added = options.additions.get(name);
      if (added === undefined) linkOrCopy(join(options.lists, name), to);
      else {
        copyFileSync(join(options.lists, name), to);
        writeFileSync(to, `\n${added}`, {flag: 'a'});
      }
    }
    writeFileSync(join(this.#folder, 'sources.list'), sourceLines(options.sources));
  }

  async solve(question: Question): Promise<Result<Solution, readonly string[]>> {
    this.#writeState(question);
    // A second look, at what goes, is spared where nothing may: most stages only add.
    if (question.remove.length === 0) {
      const added = await this.#added(question, ['--no-remove']);
      if (added.ok) return ok({added: added.value, removed: []});
    }
    const added = await this.#added(question, []);
    if (!added.ok) return added;
    const removed: string[] = [];
    const simulated = await this.#apt(
      question,
      ['--simulate', 'install', '--', ...wordsOf(question)],
      (line) => {
        const name = /^Remv (?<name>[^ :]+)/.exec(line)?.groups?.['name'];
        if (name !== undefined) removed.push(name);
        return /^(?:Inst|Conf|Remv) /.test(line);
      },
    );
    return simulated.ok ? ok({added: added.value, removed}) : simulated;
  }

  /** What would be fetched. */
  async #added(
    question: Question,
    options: readonly string[],
  ): Promise<Result<readonly ListedPackage[], readonly string[]>> {
    const added: ListedPackage[] = [];
    const unknown: string[] = [];
    const words = [...options, '--print-uris', 'install', '--', ...wordsOf(question)];
    const told = await this.#apt(question, words, (line) => {
      const found = parsePrintUri(line);
      if (found === undefined) return false;
      const listed = this.#listedAt(found.uri, found.sha256);
      if (listed === undefined) unknown.push(found.uri);
      else added.push(listed);
      return true;
    });
    if (!told.ok) return told;
    if (unknown.length > 0) throw new Error(`apt names ${unknown.join(', ')}, which no list has`);
    return ok(added);
  }

  /** The package that apt would fetch from a URI. */
  #listedAt(uri: string, sha256: string): ListedPackage | undefined {
    for (const {source} of this.#options.packages.files) {
      const root = `${source.uri.replace(/\/+$/, '')}/`;
      if (!uri.startsWith(root)) continue;
      const path = uri.slice(root.length);
      for (const candidate of [path, decodeURIComponent(path)]) {
        const found = this.#options.packages.at(source.origin, candidate);
        if (found?.package.sha256 === sha256) return found;
      }
    }
    return undefined;
  }

  #writeState({installed, keep}: Question): void {
    const status = [...installed.values()].map(
      ({stanza}) => `${stanza.trimEnd()}\nStatus: install ok installed\n`,
    );
    writeFileSync(join(this.#folder, 'status'), status.join('\n'));
    const states = [...installed.values()]
      .filter(({auto}) => auto)
      .map(
        ({package: {name, architecture}}) =>
          `Package: ${name}\nArchitecture: ${architecture === 'all' ? this.#options.architecture : architecture}\nAuto-Installed: 1\n`,
      );
    writeFileSync(join(this.#folder, 'extended_states'), states.join('\n'));
    // apt_preferences(5): above 1000, a version is taken even where it is older than another.
    const pins = [...keep].map(
      ([name, version]) => `Package: ${name}\nPin: version ${version}\nPin-Priority: 1001\n`,
    );
    writeFileSync(join(this.#folder, 'preferences'), pins.join('\n'));
  }

  async #apt(
    {remove}: Question,
    words: readonly string[],
    isTaken: (line: string) => boolean,
  ): Promise<Result<void, readonly string[]>> {
    const {architecture, aptGet, log, signal} = this.#options;
    const at = (name: string): string => join(this.#folder, name);
    const settings: Readonly<Record<string, string>> = {
      'Dir::State::lists': `${at('lists')}/`,
      'Dir::State::status': at('status'),
      'Dir::State::extended_states': at('extended_states'),
      'Dir::Etc::SourceList': at('sources.list'),
      'Dir::Etc::Preferences': at('preferences'),
      'APT::Architecture': architecture,
      'APT::Architectures': architecture,
      'APT::Install-Recommends': 'false',
      'APT::Get::AutomaticRemove': String(remove.length > 0),
      'APT::Get::allow-remove-essential': String(remove.length > 0),
      'APT::Get::allow-downgrades': 'true',
      'Acquire::ForceHash': 'SHA256',
      'Acquire::Languages': 'none',
      'Debug::NoLocking': 'true',
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const outcome = await runProcess(
      tied(aptGet, ...hostAptOptions(at('apt')), '-q', '-y', ...options, ...words),
      {
        env: hostEnvironment(),
        log,
        signal,
        onLine: (line) => !isTaken(line),
      },
    );
    return outcome.exitCode === 0 ? ok(undefined) : fail(log.lastLines);
  }
}

/** As apt-get(8) is told. */
function wordsOf({install, remove}: Question): readonly string[] {
  return [...install, ...remove.map((name) => `${name}-`)];
}

/** What a root holds after a stage. */
export function afterInstall(before: Installed, solution: Solution, asked: readonly string[]): Installed {
  const after = new Map(before);
  for (const name of solution.removed) after.delete(name);
  const requested = new Set(asked.map((word) => word.replace(/=.*$/, '')));
  for (const one of solution.added) {
    const {name} = one.package;
    after.set(name, {...one, auto: after.get(name)?.auto ?? !requested.has(name)});
  }
  return after;
}

/** The list that a package of an archive is added to when it has no stanza there any more. */
export function listOf(packages: PackageLists, {origin}: LockedPackage): string | undefined {
  const file = packages.files.find(({source}) => source.origin === origin);
  return file === undefined ? undefined : basename(file.path);
}

function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!isErrno(error, 'EXDEV', 'EPERM', 'EMLINK')) throw error;
    copyFileSync(from, to);
  }
}
