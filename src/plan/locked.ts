import {
  debFileName,
  type Lock,
  type LockedArchive,
  type LockedPackage,
  type LockedStage,
} from '../lock/lock.ts';
import type {JsonObject, Os, Repository} from '../spec/image.ts';
import {type Archives, archiveName} from './archives.ts';
import {diffPackages} from './explain-packages.ts';
import type {LockedInstall} from './graph.ts';

/** A stage's packages: from an archive that it asks, or as fgimage.lock names them. */
export interface Installing {
  /** The archive stage, where one is asked. */
  readonly dependsOn: readonly string[];
  readonly locked?: LockedInstall;
  /** In the stage's parameters: the packages by digest. */
  readonly params: JsonObject;
  /** The host's programs that install them, where those are not the image's own. */
  readonly tools?: readonly string[];
}

export interface InstallRequest {
  readonly stage: string;
  /** Id of the archive stage. */
  readonly archive: string;
  readonly install: readonly string[];
  readonly remove: readonly string[];
  readonly os: Os;
  readonly repositories: readonly Repository[];
}

/** Holds the stages of a plan against fgimage.lock: gives each what it installs, and notes where the spec has moved on. */
export class LockReader {
  readonly #lock: Lock;
  readonly #archives: Archives;
  readonly #problems = new Set<string>();
  readonly #byReference = new Map<string, ReadonlyMap<string, LockedPackage>>();

  constructor(lock: Lock, archives: Archives) {
    this.#lock = lock;
    this.#archives = archives;
  }

  /** What of the plan the lock does not answer, for people. */
  get problems(): readonly string[] {
    return [...this.#problems];
  }

  installing(request: InstallRequest): Installing {
    const stage = this.#lock.stages[request.stage];
    const archive = this.#lock.archives[archiveName(request.archive)];
    if (stage === undefined || archive === undefined || stage.archive !== archiveName(request.archive)) {
      this.#problems.add(`${request.stage}: not in the lock`);
      return {dependsOn: [], params: {}};
    }
    this.#compareArchive(request, archive);
    this.#compareWords(request, stage);
    const known = referencesOf(archive, this.#byReference, stage.archive);
    const packages = stage.packages.flatMap((reference) => known.get(reference) ?? []);
    const {os, repositories} = request;
    return {
      dependsOn: [],
      locked: {
        packages,
        required: stage.required ?? [],
        roots: this.#archives.roots(os, repositories),
        os,
        suites: archive.suites,
      },
      params: {refinement: {packages: refinedPackages(packages)}},
    };
  }

  /** A file of the project that a provisioner runs. */
  source({image, path, digest, place}: {image: string; path: string; digest: string; place: string}): void {
    const known = this.#lock.sources[image]?.[path];
    if (known === digest) return;
    this.#problems.add(`${place}: ${path} ${known === undefined ? 'is not in the lock' : 'has changed'}`);
  }

  #compareArchive({archive, os, repositories}: InstallRequest, locked: LockedArchive): void {
    const name = archiveName(archive);
    if (locked.os.snapshot !== os.snapshot) {
      const was = locked.os.snapshot ?? 'none';
      this.#problems.add(`${name}: os.snapshot was ${was}, is ${os.snapshot ?? 'none'}`);
    }
    const word = (origin: string, suite: string, components: readonly string[]): string =>
      `${origin} ${suite} ${components.join(' ')}`.trimEnd();
    const wanted = this.#archives
      .sources(os, repositories)
      .map(({origin, suite, components}) => word(origin, suite, components));
    const known = locked.suites.map((suite) => word(suite.origin, suite.name, suite.components));
    for (const one of wanted) if (!known.includes(one)) this.#problems.add(`${name}: + ${one}`);
    for (const one of known) {
      // A host whose archive has no security suites builds from the lock of one that has.
      if (!wanted.includes(one) && !one.startsWith('security ')) this.#problems.add(`${name}: - ${one}`);
    }
  }

  #compareWords({stage, install, remove}: InstallRequest, locked: LockedStage): void {
    for (const [list, was, is] of [
      ['', locked.install, install],
      ['remove ', locked.remove, remove],
    ] as const) {
      for (const diff of diffPackages(was, is)) {
        if (diff.change === 'added') this.#problems.add(`${stage}: + ${list}${diff.package}`);
        if (diff.change === 'removed') this.#problems.add(`${stage}: - ${list}${diff.package}`);
        if (diff.change === 'changed')
          this.#problems.add(`${stage}: ${list}${diff.package} ${diff.was ?? 'any'} -> ${diff.is ?? 'any'}`);
      }
    }
  }
}

/** As the second key of a stage that resolved by itself holds them (docs/decisions/0009): both give the same content. */
export function refinedPackages(
  packages: readonly Pick<LockedPackage, 'name' | 'version' | 'architecture' | 'sha256'>[],
): readonly string[] {
  return packages.map((one) => `${debFileName(one)} ${one.sha256}`).sort();
}

/** An archive's packages by the words that stages name them with. */
function referencesOf(
  archive: LockedArchive,
  known: Map<string, ReadonlyMap<string, LockedPackage>>,
  name: string,
): ReadonlyMap<string, LockedPackage> {
  let found = known.get(name);
  if (found === undefined) {
    found = new Map(
      archive.packages.flatMap((one) => [
        [one.name, one],
        [`${one.name}=${one.version}`, one],
      ]),
    );
    known.set(name, found);
  }
  return found;
}
