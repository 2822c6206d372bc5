/** Bytes by their SHA-256: a compressed layer, an artifact, a log. */
export interface Blob {
  /** SHA-256 of the bytes as they are stored, in hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface PutRecordOptions {
  /** Those the record names, all stored before, for back ends that would drop what nobody names. */
  readonly blobs: readonly Blob[];
  readonly signal: AbortSignal;
  /** Whether a record that is there is replaced: its bytes are gone or damaged. Otherwise it stays as it is. */
  readonly replace?: boolean;
}

/**
 * Where a remote cache keeps things: records by stage key (Bazel's `/ac`) and bytes by digest (`/cas`). Knows nothing
 * of what they mean. Every call may be made again, and throws `RemoteError` when the other side cannot be reached or
 * refuses, or the signal's reason when it is aborted.
 */
export interface RemoteBackend {
  /** As a person would say it, without credentials: `https://cache.example.org/fgimage`. */
  readonly name: string;
  /** Whether bytes that no record names are removed there some day. */
  readonly dropsUnnamed?: boolean;
  /** The record under a key; undefined when there is none. */
  getRecord(key: string, signal: AbortSignal): Promise<Buffer | undefined>;
  /** Stores a record; create-only, unless `replace` is given, as far as the other side can promise that. */
  putRecord(key: string, record: Buffer, options: PutRecordOptions): Promise<void>;
  hasBlob(blob: Blob, signal: AbortSignal): Promise<boolean>;
  /** Writes the bytes to `path`, a new file; throws `RemoteError` when size or digest is another, and leaves no file. */
  getBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void>;
  /** Stores the bytes of the file `path`, streamed. */
  putBlob(blob: Blob, path: string, signal: AbortSignal): Promise<void>;
}

/** A record is parts and digests; one that is larger than this is none. */
export const largestRecordBytes = 16 * 1024 * 1024;
