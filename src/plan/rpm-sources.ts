import {machineOf} from '../spec/distributions.ts';
import type {Os, Repository} from '../spec/image.ts';
import {type DistributionTemplate, dnfOf, dnfReleaseOf} from '../spec/template.ts';

/** A repository of rpm packages: the folder that holds `repodata`. Plain data, in the parameters of stages. */
export interface RpmSource {
  readonly id: string;
  readonly uri: string;
  /** Project files when `project_key` says so; else paths of the host, of which those count that are there. */
  readonly keys: readonly string[];
  readonly project_key: boolean;
  /** Whether its metadata is signed; packages always are. */
  readonly signed_metadata: boolean;
}

/** What stages that install packages by dnf are told beside the packages. */
export interface RpmSystem {
  readonly distribution: string;
  readonly release: string;
  /** In rpm's words: `x86_64`. */
  readonly machine: string;
  readonly database: string;
  readonly least_rpm: string;
  readonly platform: string;
}

/** Every repository of an OS below its mirror, and those of the spec. */
export function rpmSources(
  os: Os,
  repositories: readonly Repository[],
  {template, mirror}: {readonly template: DistributionTemplate; readonly mirror: string},
): readonly RpmSource[] {
  const {repositories: own, signed_metadata, keys} = dnfOf(template);
  const fill = (text: string): string =>
    text.replaceAll('{release}', os.release).replaceAll('{machine}', machineOf(os.architecture));
  return [
    ...own.map(({id, path}) => ({
      id,
      uri: `${mirror.replace(/\/+$/, '')}/${fill(path)}`,
      keys: os.signed_by === undefined ? keys.map(fill) : [os.signed_by],
      project_key: os.signed_by !== undefined,
      signed_metadata,
    })),
    ...repositories.map(({name, uri, signed_by: key, unsigned_metadata: unsigned}) => ({
      id: name,
      uri: uri.replace(/\/+$/, ''),
      keys: [key],
      project_key: true,
      signed_metadata: unsigned !== true,
    })),
  ];
}

export function rpmSystem(os: Os, template: DistributionTemplate): RpmSystem {
  const {distribution, release, architecture} = os;
  return {distribution, release, machine: machineOf(architecture), ...dnfReleaseOf(template, os)};
}
