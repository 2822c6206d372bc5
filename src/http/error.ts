/**
 * What kind of trouble a server makes.
 *
 * - `unreachable`: no answer, a connection that broke, silence, 429 or 5xx; another time it may work
 * - `refused`: the other side answered, and does not want to
 * - `missing`: bytes that a record names are not there
 * - `damaged`: bytes that are not what they should be
 * - `usage`: a URL, a key or this host is not as it must be; a person has to mend it
 */
export type RemoteErrorKind = 'unreachable' | 'refused' | 'missing' | 'damaged' | 'usage';

export interface RemoteErrorOptions {
  /** What the user can do about it, one sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Whether the same call may succeed when it is made again at once. */
  readonly retriable?: boolean;
  /** How long the other side asked to be left alone. */
  readonly retryAfterMs?: number | undefined;
}

/** A server cannot be used, or one call to it failed. Carries no credentials. */
export class RemoteError extends Error {
  readonly kind: RemoteErrorKind;
  readonly hint: string | undefined;
  readonly retriable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(kind: RemoteErrorKind, message: string, options: RemoteErrorOptions = {}) {
    super(message, {cause: options.cause});
    this.name = 'RemoteError';
    this.kind = kind;
    this.hint = options.hint;
    this.retriable = options.retriable ?? kind === 'unreachable';
    this.retryAfterMs = options.retryAfterMs;
  }
}
