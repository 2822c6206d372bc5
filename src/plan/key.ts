import {createHash} from 'node:crypto';
import {createRequire} from 'node:module';
import type {JsonObject, JsonValue} from '../spec/image.ts';

/** Loaded as the CommonJS module that it is, as better-sqlite3 (cache/sqlite.ts). */
const hash = createRequire(import.meta.url)('object-hash') as typeof import('object-hash');

/** Raised when the meaning of a key changes; every older record is then a miss. */
const keySchemaVersion = 2;

export type StageKey = string & {readonly __brand: 'StageKey'};

/**
 * The parts of a key, by name, so that two keys can be compared part by part. What a stage can read is what stands
 * here; what cannot be hashed it cannot use.
 */
export interface KeyParts {
  readonly kind: string;
  /** Version of the stage's own implementation. */
  readonly version: number;
  readonly params: JsonObject;
  /** Output digests of the stages it depends on, by stage id, in order. */
  readonly inputs: readonly (readonly [stage: string, digest: string])[];
  /** SHA-256 of the project's files that it reads, by path. */
  readonly files: Readonly<Record<string, string>>;
  /** Identity of the host's programs that it runs, by name: version and SHA-256 of the file. */
  readonly tools: Readonly<Record<string, string>>;
  /** The environment that its commands are given, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** `cache.salt` of the spec; absent: none. */
  readonly salt?: string;
  /**
   * No part of the key: where the parameters come from, for people. The options of the spec that the parameters were
   * made from, e.g. `{"targets.openstack": {format: 'raw'}}`.
   */
  readonly notes?: JsonObject;
}

/** The only producer of keys. Stage ids do not count, only what they put in: renaming an image changes nothing. */
export function stageKey(parts: KeyParts): StageKey {
  return canonicalDigest({
    schema: keySchemaVersion,
    kind: parts.kind,
    version: parts.version,
    params: parts.params,
    inputs: parts.inputs.map(([, digest]) => digest),
    files: parts.files,
    tools: parts.tools,
    environment: parts.environment,
    ...(parts.salt === undefined ? {} : {salt: parts.salt}),
  }) as StageKey;
}

/** SHA-256 over object-hash's canonical form: key order does not count, list order does. */
export function canonicalDigest(value: JsonValue): string {
  // object-hash writes a value that it meets again as a back reference: a copy has no such.
  const text = hash(JSON.parse(JSON.stringify(value)) as JsonValue, {
    // The canonical text as it is: hashed in one piece it gives what object-hash does in thousands, in a third of the time.
    algorithm: 'passthrough',
    respectType: false,
    unorderedObjects: true,
    unorderedArrays: false,
  });
  return createHash('sha256').update(text).digest('hex');
}

/** A UUID (version 5, RFC 9562) for one role under a digest, so that every id in an image follows from its inputs. */
export function derivedUuid(key: string, role: string): string {
  return digestUuid(canonicalDigest({key, role}));
}

/** A UUID of the same kind made of a SHA-256: for what is named by its content. */
export function digestUuid(digest: string): string {
  const variant = ((parseInt(digest.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    digest.slice(0, 8),
    digest.slice(8, 12),
    `5${digest.slice(13, 16)}`,
    `${variant}${digest.slice(17, 20)}`,
    digest.slice(20, 32),
  ].join('-');
}
