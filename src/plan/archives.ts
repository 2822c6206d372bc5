import type {JsonObject, Os, Repository} from '../spec/image.ts';
import {type DistributionTemplate, readTemplate, releaseOf} from '../spec/template.ts';

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

  epoch(os: Os): {readonly source_date_epoch: number} {
    return {source_date_epoch: releaseOf(this.template(os), os).source_date_epoch};
  }

  /** Every suite of an OS, and of further repositories. */
  sources(os: Os, repositories: readonly Repository[]): readonly ArchiveSource[] {
    const template = this.template(os);
    const release = releaseOf(template, os);
    const uris = this.#urisOf(os);
    const of = (origin: string, uri: string, suite: string): ArchiveSource => ({
      origin,
      uri,
      suite,
      components: template.components,
      signed_by: template.keyring,
      project_key: false,
      expired_ok: os.snapshot !== undefined,
    });
    return [
      ...release.suites.map((suite) => of(ownOrigins.main, uris.main, suite)),
      ...(uris.security === undefined ? [] : [of(ownOrigins.security, uris.security, release.security)]),
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
    const {suites, security} = releaseOf(template, os);
    const options = [
      `signed-by=${template.keyring}`,
      ...(os.snapshot === undefined ? [] : ['check-valid-until=no']),
    ];
    const uris = os.mirror === undefined ? {} : this.#urisOf(os);
    return {suites, security_suite: security, components: template.components, options, ...uris};
  }
}

/** The name under which fgimage.lock keeps an archive: that of its stage. */
export function archiveName(stage: string): string {
  return stage.replace(/^archive:/, '');
}
