import {machineOf} from '../spec/distributions.ts';
import type {JsonObject, JsonValue, Os, Repository} from '../spec/image.ts';
import {aptOf, type DistributionTemplate, isOnlyImported, readTemplate, releaseOf} from '../spec/template.ts';
import {json} from './image-words.ts';
import {rpmSources, rpmSystem} from './rpm-sources.ts';

/** Where an OS's archives are: the spec's mirror or the host's. */
export interface ArchiveUris {
  readonly main: string;
  /** Absent where the archive has no security suites. */
  readonly security?: string;
}

/** One suite that packages come from: a line of sources.list(5), and which archive of the image it is of. */
export interface ArchiveSource {
  readonly [key: string]: string | boolean | readonly string[];
  readonly origin: string;
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly signed_by: string;
  readonly project_key: boolean;
  readonly expired_ok: boolean;
}

/** What every stage of an OS has in its parameters. */
export interface StageSystem {
  readonly [key: string]: JsonValue;
  readonly source_date_epoch: number;
  /** Of rpm packages: `RpmSystem`. */
  readonly rpm?: JsonObject;
  /** Of a root that only could be imported: no package manager of fgimage's knows it. */
  readonly imported?: {readonly machine: string; readonly package_manager: string};
}

/** What `origin` says for the two archives that a distribution has itself; a repository of the spec has its name. */
const ownOrigins = {main: 'main', security: 'security'} as const;

/** The archives of the OSs of a plan: what their templates say, at the places that the spec or the host names. */
export class Archives {
  readonly #urisOf: (os: Os) => ArchiveUris;
  readonly #templates = new Map<string, DistributionTemplate>();

  constructor(urisOf: (os: Os) => ArchiveUris) {
    this.#urisOf = urisOf;
  }

  template({distribution}: Pick<Os, 'distribution'>): DistributionTemplate {
    let template = this.#templates.get(distribution);
    if (template === undefined) {
      template = readTemplate(distribution);
      this.#templates.set(distribution, template);
    }
    return template;
  }

  /** What every stage of an OS is told: the time that it writes, and whose packages it has where not apt's. */
  epoch(os: Os): StageSystem {
    const template = this.template(os);
    return {
      source_date_epoch: releaseOf(template, os).source_date_epoch,
      ...(template.package_manager === 'dnf' ? {rpm: json(rpmSystem(os, template)) as JsonObject} : {}),
      ...(isOnlyImported(template)
        ? {imported: {machine: machineOf(os.architecture), package_manager: template.package_manager}}
        : {}),
    };
  }

  /** Whether packages of an OS can be had: its archive has lists of them. */
  hasPackages(os: Os): boolean {
    return !isOnlyImported(this.template(os));
  }

  /** What package lists are read from: an archive's suites, or repositories of rpm packages. */
  listed(os: Os, repositories: readonly Repository[]): JsonValue {
    const template = this.template(os);
    if (template.package_manager === 'apt') return json(this.sources(os, repositories));
    return json(rpmSources(os, repositories, {template, mirror: this.#urisOf(os).main}));
  }

  /** What apk of an image reads in the place of its own repositories, where the spec names a mirror. */
  apkRepositories(os: Os): readonly string[] {
    const {mirror = '', release} = os;
    if (mirror === '') return [];
    const {apk = []} = this.template(os);
    return apk.map((path) => `${mirror.replace(/\/+$/, '')}/${path.replaceAll('{release}', release)}`);
  }

  /** Every suite of an OS, and of further repositories. */
  sources(os: Os, repositories: readonly Repository[]): readonly ArchiveSource[] {
    const template = this.template(os);
    const {components, keyring} = aptOf(template);
    const {suites, security} = releaseOf(template, os);
    const uris = this.#urisOf(os);
    const of = (origin: string, uri: string, suite: string): ArchiveSource => ({
      origin,
      uri,
      suite,
      components,
      signed_by: os.signed_by ?? keyring,
      project_key: os.signed_by !== undefined,
      expired_ok: os.snapshot !== undefined,
    });
    return [
      ...suites.map((suite) => of(ownOrigins.main, uris.main, suite)),
      ...(uris.security === undefined || security === undefined
        ? []
        : [of(ownOrigins.security, uris.security, security)]),
      ...repositories.flatMap((repository) =>
        repository.suites.map(
          (suite): ArchiveSource => ({
            origin: repository.name,
            uri: repository.uri,
            suite,
            components: repository.components,
            signed_by: repository.signed_by,
            project_key: true,
            expired_ok: false,
          }),
        ),
      ),
    ];
  }

  /** The suites of an OS in lines of sources.list(5), as an image can read them; none where apt is not its way. */
  sourceLines(os: Os): readonly string[] {
    if (this.template(os).package_manager !== 'apt') return [];
    const {options} = this.imageSources(os);
    const said = Array.isArray(options) ? options.join(' ') : '';
    return this.sources(os, []).map(
      ({uri, suite, components}) => `deb [${said}] ${uri} ${suite} ${components.join(' ')}`,
    );
  }

  /** Roots of the archives, by origin. */
  roots(os: Os, repositories: readonly Repository[]): Readonly<Record<string, string>> {
    return Object.fromEntries(this.sources(os, repositories).map(({origin, uri}) => [origin, uri]));
  }

  /**
   * What /etc/apt/sources.list of an image is made of. It names the spec's mirror, or what the distribution itself
   * proposes, never one that only this host knows: an image is not to depend on where it was built.
   */
  imageSources(os: Os): JsonObject {
    const template = this.template(os);
    if (template.package_manager !== 'apt')
      return {suites: [], security_suite: '', components: [], options: []};
    const {suites, security = ''} = releaseOf(template, os);
    const {components, keyring} = aptOf(template);
    const options = [
      `signed-by=${os.signed_by === undefined ? keyring : keyInImage(os.signed_by)}`,
      ...(os.snapshot === undefined ? [] : ['check-valid-until=no']),
    ];
    const uris = os.mirror === undefined ? {} : this.#urisOf(os);
    return {
      suites,
      security_suite: security,
      components,
      options,
      ...uris,
      ...(os.signed_by === undefined ? {} : {key: os.signed_by, key_path: keyInImage(os.signed_by)}),
    };
  }
}

/** Where the image has the key of an archive that is not signed by its distribution. */
function keyInImage(file: string): string {
  return `/etc/apt/keyrings/fgimage-archive.${file.endsWith('.asc') ? 'asc' : 'gpg'}`;
}

/** The project's files that an OS's own archive is verified with. */
export function keyFiles({signed_by: key}: Os): readonly string[] {
  return key === undefined ? [] : [key];
}

/** The name under which fgimage.lock keeps an archive: that of its stage. */
export function archiveName(stage: string): string {
  return stage.replace(/^archive:/, '');
}
