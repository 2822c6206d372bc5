import type {Image, JsonObject, JsonValue} from '../spec/image.ts';
import {publicOptions} from './public-options.ts';

/** What provenance is told from: plain data, all of it in the cache's records and the plan. */
export interface ProvenanceInput {
  /** fgimage's version. */
  readonly version: string;
  readonly image: Image;
  readonly target: string;
  /** SHA-256 over the spec and the files it extends. */
  readonly specDigest: string;
  readonly stages: readonly ProvenStage[];
  /** The artifact's files. */
  readonly subjects: readonly FileDigest[];
  /** Documents that were made of the artifact. */
  readonly documents: readonly FileDigest[];
  /** The spec, what it extends, the lock, and what the stages read of the project. */
  readonly projectFiles: readonly FileDigest[];
  /** The .debs that the lock names. */
  readonly packages: readonly ProvenPackage[];
  /** Release files of the archives that the lock was made from. */
  readonly suites: readonly {readonly name: string; readonly sha256: string}[];
  /** Versions of the programs that shaped the artifact. */
  readonly tools: Readonly<Record<string, string>>;
  /** Names this making of the artifact. */
  readonly invocationId: string;
}

interface ProvenStage {
  readonly stage: string;
  readonly key: string;
  readonly digest: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** SHA-256 of its log. */
  readonly log?: string | undefined;
  /** Whether what it ran could fetch anything, of which nothing is known then. */
  readonly network?: boolean;
}

export interface FileDigest {
  readonly path: string;
  readonly sha256: string;
}

export interface ProvenPackage {
  readonly distribution: string;
  readonly release: string;
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Relative to the root of its archive. */
  readonly path?: string;
  readonly sha256?: string;
}

export const provenanceFile = 'provenance.intoto.json';
const statementType = 'https://in-toto.io/Statement/v1';
const provenanceType = 'https://slsa.dev/provenance/v1';
/** docs/reference/provenance.md says what its parameters mean; the number is raised when that changes. */
const buildType = 'urn:fgimage:build:v1';
const builderId = 'urn:fgimage:builder:local';

/**
 * How an artifact came to be: an in-toto Statement (in-toto/attestation, spec/v1/statement.md) with SLSA provenance
 * (slsa.dev/spec/v1.0/provenance). Its times are those of the stages, so that it is the same text each time an artifact
 * is handed out that was made once.
 */
export function provenanceText(input: ProvenanceInput): string {
  return `${JSON.stringify(provenanceStatement(input), undefined, 2)}\n`;
}

export function provenanceStatement(input: ProvenanceInput): JsonObject {
  const {image, target, specDigest, stages, subjects, tools} = input;
  return {
    _type: statementType,
    subject: subjects.map(({path, sha256}): JsonValue => ({name: path, digest: {sha256}})),
    predicateType: provenanceType,
    predicate: {
      buildDefinition: {
        buildType,
        externalParameters: {
          image: image.name,
          target,
          spec: {sha256: specDigest},
          options: publicOptions(image),
        },
        internalParameters: {
          stages: stages.map(
            ({stage, key, digest, network = false}): JsonValue => ({
              ...{stage, key, digest},
              ...(network ? {network} : {}),
            }),
          ),
          tools: {...tools},
        },
        resolvedDependencies: [
          ...input.projectFiles.toSorted(byPath).map(projectFile),
          ...input.suites.map(({name, sha256}): JsonValue => ({name, digest: {sha256}})),
          ...uniquePackages(input.packages),
        ],
      },
      runDetails: {
        builder: {id: builderId, version: {fgimage: input.version}},
        metadata: {invocationId: input.invocationId, ...times(stages)},
        byproducts: [
          ...input.documents.map(({path, sha256}): JsonValue => ({name: path, digest: {sha256}})),
          ...stages.flatMap(({stage, log}): JsonValue[] =>
            log === undefined
              ? []
              : [{name: `log of ${stage}`, digest: {sha256: log}, mediaType: 'text/plain'}],
          ),
        ],
      },
    },
  };
}

/** From the first stage that was begun to the last that ended, whichever run they were part of. */
function times(stages: readonly ProvenStage[]): JsonObject {
  if (stages.length === 0) return {};
  const starts = stages.map(({startedAt}) => startedAt);
  const ends = stages.map(({startedAt, durationMs}) => startedAt + durationMs);
  return {startedOn: utcSeconds(Math.min(...starts)), finishedOn: utcSeconds(Math.max(...ends))};
}

/** RFC 3339 without fractions, as SLSA's Timestamp is. */
function utcSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

function projectFile({path, sha256}: FileDigest): JsonValue {
  return {name: path, digest: {sha256}, annotations: {kind: 'project-file'}};
}

function uniquePackages(packages: readonly ProvenPackage[]): readonly JsonValue[] {
  const byUri = new Map(packages.map((one) => [`${packageUrl(one)}#${one.sha256 ?? ''}`, one]));
  return [...byUri]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(
      ([, one]): JsonValue => ({
        uri: packageUrl(one),
        ...(one.sha256 === undefined ? {} : {digest: {sha256: one.sha256}}),
        ...(one.path === undefined ? {} : {annotations: {path: one.path}}),
      }),
    );
}

/** purl-spec, type `deb`. A purl escapes all but letters, digits and `.-_~`; the colon stays. */
export function packageUrl({distribution, release, name, version, architecture}: ProvenPackage): string {
  const part = (text: string): string =>
    encodeURIComponent(text).replaceAll('%3A', ':').replaceAll('+', '%2B');
  return `pkg:deb/${part(distribution)}/${part(name)}@${part(version)}?arch=${part(architecture)}&distro=${part(`${distribution}-${release}`)}`;
}

function byPath(a: FileDigest, b: FileDigest): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
