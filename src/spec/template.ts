import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../package-root.ts';
import type {Os} from './image.ts';

/** `templates/<distribution>/template.json`: a distribution as data. */
export interface DistributionTemplate {
  readonly package_manager: 'apt' | 'dnf';
  /** mmdebstrap(1), --variant. */
  readonly variant: string;
  /** What a base holds beside the variant's own choice. */
  readonly packages: readonly string[];
  /** The kernel package by architecture. */
  readonly kernel: Readonly<Record<string, string>>;
  /** Installed with every kernel. */
  readonly kernel_packages: readonly string[];
  /** Keyring of the archive, the same path on the host and in the image. */
  readonly keyring: string;
  readonly components: readonly string[];
  readonly releases: Readonly<Record<string, Release>>;
}

export interface Release {
  readonly version: string;
  /** Seconds since the epoch of the release's day: the time that everything written by a build carries. */
  readonly source_date_epoch: number;
  readonly suites: readonly string[];
  readonly security: string;
}

export function readTemplate(distribution: Os['distribution']): DistributionTemplate {
  return JSON.parse(
    readFileSync(join(packageRoot, 'templates', distribution, 'template.json'), 'utf8'),
  ) as DistributionTemplate;
}

export function releaseOf(template: DistributionTemplate, os: Os): Release {
  const release = template.releases[os.release];
  if (release === undefined)
    throw new Error(`The template of ${os.distribution} has no release ${os.release}`);
  return release;
}

/** `templates/debian/tools.json`: the image whose programs shape the bytes of a locked build (docs/architecture.md). */
export interface ToolsTemplate {
  readonly os: Os;
  /** mmdebstrap(1), --variant. */
  readonly variant: string;
  readonly packages: readonly string[];
}

/** The tools image; with a name, the one of a provisioner (`tools-<name>.json`). */
export function readTools(name?: string): ToolsTemplate {
  const file = name === undefined ? 'tools.json' : `tools-${name}.json`;
  return JSON.parse(readFileSync(join(packageRoot, 'templates/debian', file), 'utf8')) as ToolsTemplate;
}
