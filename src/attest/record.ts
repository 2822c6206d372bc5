import {createHash} from 'node:crypto';
import {FgError} from '../errors.ts';
import type {JsonObject, JsonValue} from '../spec/image.ts';
import {formatSize} from '../ui/format.ts';

/** All that a record of an experiment holds, as plain data. */
export interface ExperimentRecord {
  /** fgimage's version. */
  readonly version: string;
  readonly image: string;
  readonly description?: string | undefined;
  /** The spec, by its path in the project. */
  readonly spec: string;
  /** The profiles that were merged over it. */
  readonly profiles: readonly string[];
  /** What the project consists of, as far as the image needs it. */
  readonly entries: readonly ProjectEntry[];
  readonly artifacts: readonly RecordedArtifact[];
  /** RFC 3339. */
  readonly startedOn: string;
  readonly finishedOn: string;
  readonly registrations: readonly JsonValue[];
  /** SPDX id or URL. */
  readonly license?: string | undefined;
  /** `Ada Lovelace <https://orcid.org/…>`, or a name alone. */
  readonly authors: readonly string[];
}

/** A part of the project, by its path in it. */
export type ProjectEntry =
  | {readonly kind: 'file'; readonly path: string; readonly bytes: Buffer; readonly executable: boolean}
  | {readonly kind: 'link'; readonly path: string; readonly target: string}
  | {readonly kind: 'folder'; readonly path: string};

export interface RecordedArtifact {
  readonly target: string;
  /** fgimage's own digest over all files. */
  readonly digest: string;
  readonly files: readonly RecordedFile[];
  readonly documents: readonly RecordedFile[];
  /** The text of its provenance, as it lies beside it. */
  readonly provenance: string;
}

export interface RecordedFile {
  readonly path: string;
  readonly size_bytes: number;
  readonly sha256: string;
}

export const recordProfile = 'urn:fgimage:record:v1';
const crateProfile = 'https://w3id.org/ro/crate/1.1';
const runProfile = 'https://w3id.org/ro/wfrun/process/0.5';
const terms = 'urn:fgimage:terms:';
/** Larger projects travel as a bundle. */
export const largestRecordBytes = 16 << 20;

/**
 * The record as an RO-Crate metadata document (researchobject.org/ro-crate/specification/1.1) of the Process Run Crate
 * profile. The contents of the project's files stand in it, so that the one file is enough to make the image again; the
 * same input gives the same text. Throws `FgError` where the files are too large for that.
 */
export function recordText(record: ExperimentRecord): string {
  refuseLarge(record.entries);
  return `${JSON.stringify({'@context': context, '@graph': graphOf(record)}, undefined, 2)}\n`;
}

const context: JsonValue = [
  `${crateProfile}/context`,
  {
    sha256: 'https://w3id.org/ro/terms/workflow-run#sha256',
    contentBase64: `${terms}contentBase64`,
    executable: `${terms}executable`,
    linkTarget: `${terms}linkTarget`,
    registrations: `${terms}registrations`,
  },
];

function graphOf(record: ExperimentRecord): readonly JsonObject[] {
  const {version, image, description, spec, profiles, entries, artifacts, license, authors} = record;
  const projectIds = entries.map(({path, kind}) => entityId(kind === 'folder' ? `${path}/` : path));
  const folderIds = artifacts.map(({target}) => entityId(artifactPath(image, target)));
  const people = authors.map(person);
  return [
    {
      '@id': 'ro-crate-metadata.json',
      '@type': 'CreativeWork',
      about: {'@id': './'},
      conformsTo: {'@id': crateProfile},
    },
    {
      '@id': './',
      '@type': 'Dataset',
      name: `fgimage record of ${image}`,
      description: description ?? `All that is needed to make the machine image ${image} again`,
      datePublished: record.finishedOn,
      conformsTo: [{'@id': runProfile}, {'@id': recordProfile}],
      mainEntity: {'@id': entityId(spec)},
      hasPart: references([...projectIds, ...folderIds]),
      mentions: [{'@id': '#build'}],
      registrations: record.registrations,
      ...(license === undefined ? {} : {license}),
      ...(people.length === 0 ? {} : {author: references(people.map(({id}) => id))}),
    },
    {'@id': runProfile, '@type': 'CreativeWork', name: 'Process Run Crate', version: '0.5'},
    {'@id': recordProfile, '@type': 'CreativeWork', name: 'fgimage record', version: '1'},
    {'@id': '#fgimage', '@type': 'SoftwareApplication', name: 'fgimage', softwareVersion: version},
    {'@id': '#image', '@type': 'PropertyValue', name: 'image', value: image},
    ...(profiles.length === 0
      ? []
      : [{'@id': '#profiles', '@type': 'PropertyValue', name: 'profiles', value: profiles}]),
    {
      '@id': '#build',
      '@type': 'CreateAction',
      name: `Build of ${image}`,
      instrument: {'@id': '#fgimage'},
      object: references([...projectIds, '#image', ...(profiles.length === 0 ? [] : ['#profiles'])]),
      result: references(
        artifacts.flatMap((artifact) => artifact.files.map((file) => fileId(record, artifact, file))),
      ),
      startTime: record.startedOn,
      endTime: record.finishedOn,
      actionStatus: {'@id': 'http://schema.org/CompletedActionStatus'},
      ...(people.length === 0 ? {} : {agent: references(people.map(({id}) => id))}),
    },
    ...people.map(({id, name}) => ({'@id': id, '@type': 'Person', name})),
    ...entries.map(projectEntity),
    ...artifacts.flatMap((artifact) => artifactEntities(record, artifact)),
  ];
}

function projectEntity(entry: ProjectEntry): JsonObject {
  switch (entry.kind) {
    case 'folder':
      return {'@id': entityId(`${entry.path}/`), '@type': 'Dataset', name: entry.path};
    case 'link':
      return {'@id': entityId(entry.path), '@type': 'File', name: entry.path, linkTarget: entry.target};
    case 'file':
      return {
        '@id': entityId(entry.path),
        '@type': 'File',
        name: entry.path,
        ...digestOf(entry.bytes),
        ...(entry.executable ? {executable: true} : {}),
        ...content(entry.bytes),
      };
  }
}

function artifactEntities(record: ExperimentRecord, artifact: RecordedArtifact): readonly JsonObject[] {
  const {target, digest, files, documents, provenance} = artifact;
  const proof = Buffer.from(provenance);
  const proofId = entityId(`${artifactPath(record.image, target)}provenance.intoto.json`);
  const all = [...files, ...documents];
  return [
    {
      '@id': entityId(artifactPath(record.image, target)),
      '@type': 'Dataset',
      name: target,
      identifier: `urn:sha256:${digest}`,
      hasPart: references([...all.map((file) => fileId(record, artifact, file)), proofId]),
    },
    ...all.map(
      (file): JsonObject => ({
        '@id': fileId(record, artifact, file),
        '@type': 'File',
        name: file.path,
        contentSize: String(file.size_bytes),
        sha256: file.sha256,
      }),
    ),
    {
      '@id': proofId,
      '@type': 'File',
      name: 'provenance.intoto.json',
      encodingFormat: 'application/vnd.in-toto+json',
      ...digestOf(proof),
      text: provenance,
    },
  ];
}

/** The folder of an artifact in the crate, wherever it lies on this machine. */
function artifactPath(image: string, target: string): string {
  return `artifacts/${image}/${target}/`;
}

function fileId({image}: ExperimentRecord, {target}: RecordedArtifact, {path}: RecordedFile): string {
  return entityId(`${artifactPath(image, target)}${path}`);
}

/** A path as a relative URI (RFC 3986), which ids of a crate are. */
function entityId(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function digestOf(bytes: Buffer): JsonObject {
  return {contentSize: String(bytes.length), sha256: createHash('sha256').update(bytes).digest('hex')};
}

/** Text as it is, where it is such; everything else in base64. */
function content(bytes: Buffer): JsonObject {
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text).equals(bytes) && !text.includes('\0');
  return isText
    ? {encodingFormat: 'text/plain', text}
    : {encodingFormat: 'application/octet-stream', contentBase64: bytes.toString('base64')};
}

/** `Name <URL>`: the URL, an ORCID for example, is the person's id. */
function person(text: string): {readonly id: string; readonly name: string} {
  const [, name = text, url] = /^(.*\S)\s*<(https?:\/\/[^>\s]+)>$/.exec(text.trim()) ?? [];
  return {id: url ?? `#${encodeURIComponent(name.trim())}`, name: name.trim()};
}

function references(ids: readonly string[]): readonly JsonObject[] {
  return ids.map((id) => ({'@id': id}));
}

function refuseLarge(entries: readonly ProjectEntry[]): void {
  const files = entries.flatMap((entry) => (entry.kind === 'file' ? [entry] : []));
  const sizeBytes = files.reduce((sum, {bytes}) => sum + bytes.length, 0);
  const largest = files.toSorted((a, b) => b.bytes.length - a.bytes.length)[0];
  if (sizeBytes <= largestRecordBytes || largest === undefined) return;
  const is = `${largest.path} is ${formatSize(largest.bytes.length)} of ${formatSize(sizeBytes)}`;
  throw new FgError(
    'RECORD_UNUSABLE',
    `The files of the project are larger than the ${formatSize(largestRecordBytes)} of a record: ${is}`,
    {hint: 'Make a bundle instead: fgimage bundle'},
  );
}
