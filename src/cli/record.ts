import {readFileSync, writeFileSync} from 'node:fs';
import {join, relative} from 'node:path';
import {provenanceFile} from '../attest/provenance.ts';
import {type ProjectEntry, type RecordedArtifact, type RecordedFile, recordText} from '../attest/record.ts';
import {type ExitCode, exitCode, FgError, isErrno} from '../errors.ts';
import {packageVersion} from '../package-root.ts';
import type {Delivery} from '../plan/plan.ts';
import {isDelivered} from '../run/deliver.ts';
import type {Peeked} from '../run/peek.ts';
import {projectEntries} from './project-entries.ts';
import {openSession, peekSession, type Session, type SessionOptions} from './session.ts';

export interface RecordOptions extends SessionOptions {
  readonly image: string;
  /** Where the record goes; `-`: standard output; absent: `<image>-ro-crate-metadata.json`. */
  readonly recordFile?: string | undefined;
  /** SPDX id or URL. */
  readonly license?: string | undefined;
  /** `Name <URL>`, or names alone. */
  readonly authors: readonly string[];
  /** Absent: standard output. */
  readonly stream?: {write(text: string): unknown};
}

/** `fgimage record`: one file from which an image that was built can be made again. */
export async function runRecord(options: RecordOptions): Promise<ExitCode> {
  const {image, recordFile = `${image}-ro-crate-metadata.json`, stream = process.stdout} = options;
  // Other images of the spec count too: their files are looked for whenever the spec is read.
  const session = await openSession(
    {...options, images: [], targets: [], useLock: true, locked: true, hostTools: false},
    {look: true, warn: () => undefined},
  );
  try {
    const text = await recordOf(session, options);
    if (recordFile === '-') {
      stream.write(text);
      return exitCode.done;
    }
    writeText(recordFile, text);
    stream.write(`${recordFile}\n`);
    return exitCode.done;
  } finally {
    session.store.close();
  }
}

async function recordOf(session: Session, {image: name, license, authors}: RecordOptions): Promise<string> {
  const {spec, plan} = session;
  const deliveries = plan.deliveries.filter(({image}) => image.name === name);
  const [first] = deliveries;
  if (first === undefined)
    throw new FgError('USAGE', `There is no image ${name} in ${spec.file}`, {
      hint: `Its images are ${spec.images.map((image) => image.name).join(', ')}`,
    });
  const peeked = await peekSession(session, AbortSignal.timeout(peekTimeoutMs));
  const artifacts = deliveries.map((delivery) => artifactOf(delivery, session, peeked.get(delivery.pack)));
  const times = artifacts.map(({provenance}) => timesOf(provenance));
  return recordText({
    version: packageVersion(),
    image: name,
    description: first.image.description,
    spec: relative(spec.projectDir, spec.file),
    profiles: spec.profiles,
    entries: await entriesOf(session),
    artifacts,
    startedOn: times.map(({startedOn}) => startedOn).sort()[0] ?? '',
    finishedOn:
      times
        .map(({finishedOn}) => finishedOn)
        .sort()
        .at(-1) ?? '',
    registrations: [],
    license,
    authors,
  });
}

const peekTimeoutMs = 60_000;

/** What was handed out of a delivery, as it lies in the output folder. */
function artifactOf({image, target}: Delivery, session: Session, pack: Peeked | undefined): RecordedArtifact {
  const {output} = session.options;
  const digest = pack?.state === 'hit' ? pack.known.action.digest : undefined;
  const folder = join(output, image.name, target);
  const hint = `Build it first: fgimage build ${image.name}`;
  if (digest === undefined || !isDelivered(output, {image: image.name, target, digest}))
    throw new FgError(
      'NOT_BUILT',
      `${image.name}/${target} does not lie in the output folder as the spec of now makes it: not built yet, or changed since`,
      {
        hint,
      },
    );
  const {files = [], documents = []} = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
    readonly files?: readonly RecordedFile[];
    readonly documents?: readonly RecordedFile[];
  };
  const provenance = readText(join(folder, provenanceFile));
  if (provenance === undefined) throw new FgError('NOT_BUILT', `${folder} has no ${provenanceFile}`, {hint});
  const told = ({path, size_bytes, sha256}: RecordedFile): RecordedFile => ({path, size_bytes, sha256});
  return {
    target,
    digest,
    files: files.map(told),
    documents: documents.filter(({path}) => path !== provenanceFile).map(told),
    provenance,
  };
}

/** The project with the content of its files. */
async function entriesOf(session: Session): Promise<readonly ProjectEntry[]> {
  return (await projectEntries(session)).map((entry): ProjectEntry => {
    if (entry.kind !== 'file') return entry;
    const {kind, path, from, executable} = entry;
    return {kind, path, bytes: readFileSync(from), executable};
  });
}

function timesOf(provenance: string): {readonly startedOn: string; readonly finishedOn: string} {
  const {predicate} = JSON.parse(provenance) as {
    readonly predicate: {readonly runDetails: {readonly metadata: {startedOn: string; finishedOn: string}}};
  };
  return predicate.runDetails.metadata;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function writeText(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EISDIR', 'ENOENT', 'ENOTDIR', 'EROFS')) throw error;
    throw new FgError('OUTPUT_UNUSABLE', `Cannot write the record to ${path}`, {
      cause: error,
      hint: 'Name another file with --output',
    });
  }
}
