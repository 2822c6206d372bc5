import {createHash} from 'node:crypto';
import {fail, type Result} from '../result.ts';
import {type ProjectEntry, recordProfile} from './record.ts';
import {reading, WireError} from './ssh-wire.ts';

/** A record as it was read: what to lay out and build, and what has to come out. */
export interface ReadRecord {
  readonly version: string;
  readonly image: string;
  readonly spec: string;
  readonly profiles: readonly string[];
  readonly entries: readonly ProjectEntry[];
  readonly artifacts: readonly ExpectedArtifact[];
}

interface ExpectedArtifact {
  readonly target: string;
  /** SHA-256 of its files, by path. */
  readonly files: ReadonlyMap<string, string>;
}

type Entity = Readonly<Record<string, unknown>>;

/**
 * Reads a record, and holds every content in it against its digest and every provenance statement against the digests of
 * the artifact that it speaks of. The failure says what is wrong.
 */
export function readRecord(text: string): Result<ReadRecord, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return fail('it is no JSON');
  }
  const graph = asEntity(parsed)['@graph'];
  if (!Array.isArray(graph)) return fail('it is no RO-Crate metadata document');
  const entities = new Map<string, Entity>();
  for (const one of graph as readonly unknown[]) {
    const id = asEntity(one)['@id'];
    if (typeof id !== 'string') return fail('an entity of it has no @id');
    if (entities.has(id)) return fail(`it has ${id} twice`);
    entities.set(id, asEntity(one));
  }
  return reading(() => new Reader(entities).read());
}

class Reader {
  readonly #entities: ReadonlyMap<string, Entity>;

  constructor(entities: ReadonlyMap<string, Entity>) {
    this.#entities = entities;
  }

  read(): ReadRecord {
    const root = this.#entity('./');
    if (!idsOf(root['conformsTo']).includes(recordProfile)) throw new WireError('it is no record of fgimage');
    const image = textOf(this.#entity('#image'), 'value');
    const parts = idsOf(root['hasPart']);
    const folders = parts.filter((id) => id.endsWith('/') && this.#entity(id)['identifier'] !== undefined);
    const entries = parts.filter((id) => !folders.includes(id)).map((id) => this.#projectEntry(id));
    const spec = this.#path(idsOf(root['mainEntity'])[0] ?? '');
    if (!entries.some(({kind, path}) => kind === 'file' && path === spec))
      throw new WireError('it holds no spec');
    return {
      version: textOf(this.#entity('#fgimage'), 'softwareVersion'),
      image,
      spec,
      profiles: this.#profiles(),
      entries,
      artifacts: folders.map((id) => this.#artifact(id)),
    };
  }

  #profiles(): readonly string[] {
    const names = this.#entities.get('#profiles')?.['value'] ?? [];
    if (!Array.isArray(names) || !names.every((name) => typeof name === 'string'))
      throw new WireError('its profiles are not names');
    return names;
  }

  #entity(id: string): Entity {
    const entity = this.#entities.get(id);
    if (entity === undefined) throw new WireError(`it has no ${id}`);
    return entity;
  }

  #projectEntry(id: string): ProjectEntry {
    const entity = this.#entity(id);
    const path = this.#path(id.replace(/\/$/, ''));
    if (id.endsWith('/')) return {kind: 'folder', path};
    const {linkTarget, executable} = entity;
    if (linkTarget !== undefined) return {kind: 'link', path, target: textOf(entity, 'linkTarget')};
    return {kind: 'file', path, bytes: contentOf(entity, path), executable: executable === true};
  }

  #artifact(folder: string): ExpectedArtifact {
    const entity = this.#entity(folder);
    const proofId = `${folder}provenance.intoto.json`;
    const statement = contentOf(this.#entity(proofId), this.#path(proofId));
    const subjects = subjectsOf(statement);
    const files = new Map<string, string>();
    for (const id of idsOf(entity['hasPart'])) {
      const path = this.#path(id.slice(folder.length));
      const proven = subjects.get(path);
      if (!id.startsWith(folder) || proven === undefined) continue;
      if (textOf(this.#entity(id), 'sha256') !== proven)
        throw new WireError(`the digest of ${this.#path(id)} is not that of its provenance`);
      files.set(path, proven);
    }
    if (files.size !== subjects.size || files.size === 0)
      throw new WireError(
        `it does not list the files of ${this.#path(folder.slice(0, -1))} that its provenance has`,
      );
    const target = this.#path(folder.slice(0, -1)).split('/').at(-1) ?? '';
    return {target, files};
  }

  /** A path inside the project, from an id. */
  #path(id: string): string {
    let path: string;
    try {
      path = decodeURIComponent(id);
    } catch {
      throw new WireError(`${id} is no path`);
    }
    const isInside = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
    if (!isInside || path.includes('\0')) throw new WireError(`"${path}" leads out of the project`);
    return path;
  }
}

/** The bytes that stand in an entity, which must have its digest. */
function contentOf(entity: Entity, path: string): Buffer {
  const {text, contentBase64, sha256} = entity;
  const bytes =
    typeof text === 'string'
      ? Buffer.from(text)
      : typeof contentBase64 === 'string'
        ? Buffer.from(contentBase64, 'base64')
        : undefined;
  if (bytes === undefined) throw new WireError(`the content of ${path} is missing`);
  if (createHash('sha256').update(bytes).digest('hex') !== sha256)
    throw new WireError(`the content of ${path} has not the digest that stands beside it`);
  return bytes;
}

function subjectsOf(statement: Buffer): ReadonlyMap<string, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(statement.toString('utf8'));
  } catch {
    throw new WireError('a provenance statement is no JSON');
  }
  const {subject} = asEntity(parsed);
  const subjects = Array.isArray(subject) ? (subject as readonly unknown[]) : [];
  return new Map(
    subjects.map((one) => [
      textOf(asEntity(one), 'name'),
      textOf(asEntity(asEntity(one)['digest']), 'sha256'),
    ]),
  );
}

function asEntity(value: unknown): Entity {
  return typeof value === 'object' && value !== null ? (value as Entity) : {};
}

function textOf(entity: Entity, name: string): string {
  const value = entity[name];
  const id = entity['@id'];
  if (typeof value !== 'string')
    throw new WireError(`${typeof id === 'string' ? id : 'an entity'} has no ${name}`);
  return value;
}

/** The ids of one reference or a list of them. */
function idsOf(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  return list.flatMap((one) => {
    const id = asEntity(one)['@id'];
    return typeof id === 'string' ? [id] : [];
  });
}
