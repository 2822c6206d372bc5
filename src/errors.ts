/**
 * The exit codes of the command and the error that carries one.
 *
 * A `Diagnostic` (src/spec) points into a file, a `StageFailure` (src/run) at a stage; everything else that a
 * user can cause is an `FgError`. Anything else that is thrown is a defect of fgimage (exit code 70).
 */
export const exitCode = {
  done: 0,
  stageFailed: 1,
  /** As diff(1): what was compared is not the same. */
  differs: 1,
  usage: 2,
  hostLacks: 3,
  remoteRefused: 4,
  lockOutOfDate: 5,
  /** `fgimage plan --detailed-exitcode`: there is work to do. */
  planHasWork: 10,
  defect: 70,
  cancelled: 130,
} as const;

export type ExitCode = (typeof exitCode)[keyof typeof exitCode];

/** Every code an `FgError` may carry, with the exit code it leads to. docs/reference/errors.md lists the same. */
export const errorCodes = {
  USAGE: exitCode.usage,
  SPEC_NOT_FOUND: exitCode.usage,
  SPEC_INVALID: exitCode.usage,
  LOCK_INVALID: exitCode.usage,
  LOCK_STALE: exitCode.lockOutOfDate,
  /** A lock is asked for of an image whose packages no lock can name yet. */
  LOCK_UNSUPPORTED: exitCode.usage,
  HOST_TOOL_MISSING: exitCode.hostLacks,
  HOST_USERNS: exitCode.hostLacks,
  /** Programs of an image's architecture do not run here. */
  HOST_EMULATION: exitCode.hostLacks,
  CACHE_UNUSABLE: exitCode.hostLacks,
  NO_SPACE: exitCode.hostLacks,
  STAGE_FAILED: exitCode.stageFailed,
  OUTPUT_UNUSABLE: exitCode.hostLacks,
  PACKAGES_MISSING: exitCode.stageFailed,
  BUNDLE_INVALID: exitCode.usage,
  NOT_BUILT: exitCode.usage,
  KEY_UNUSABLE: exitCode.usage,
  SIGNATURE_REFUSED: exitCode.usage,
  RECORD_UNUSABLE: exitCode.usage,
  REGISTRY_REFUSED: exitCode.remoteRefused,
  /** A target of the project is none. */
  TARGET_INVALID: exitCode.usage,
  CATALOG_UNUSABLE: exitCode.hostLacks,
  /** A file, variable or option that is to hold credentials, or to say whose, does not. */
  CREDENTIALS_MISSING: exitCode.usage,
  /** A service does not accept credentials, or what was asked of it. */
  REMOTE_REFUSED: exitCode.remoteRefused,
  REMOTE_UNREACHABLE: exitCode.remoteRefused,
  /** A service did not get ready in time. */
  REMOTE_TIMEOUT: exitCode.remoteRefused,
  NAME_TAKEN: exitCode.remoteRefused,
  POLICY_REFUSED: exitCode.stageFailed,
  POLICY_INVALID: exitCode.usage,
  CANCELLED: exitCode.cancelled,
} as const satisfies Record<string, ExitCode>;

export type ErrorCode = keyof typeof errorCodes;

export interface FgErrorOptions {
  /** What the user can do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** A failure that a user can cause and mend. Printed as `error: message` and `hint`, never with a stack. */
export class FgError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, {hint, cause}: FgErrorOptions = {}) {
    super(message, {cause});
    this.name = 'FgError';
    this.code = code;
    this.hint = hint;
  }

  get exitCode(): ExitCode {
    return errorCodes[this.code];
  }
}

/** Whether an error says that a file system or a quota is full, SQLite's word for it included. */
export function isNoSpace(error: unknown): boolean {
  return isErrno(
    error,
    'ENOSPC',
    'EDQUOT',
    'SQLITE_FULL',
    'SQLITE_IOERR_WRITE',
    'SQLITE_IOERR_SHMSIZE',
    'SQLITE_IOERR_FSYNC',
    'SQLITE_IOERR_TRUNCATE',
  );
}

/** Whether an error says that a disk does not give or take its bytes. */
export function isIoError(error: unknown): boolean {
  const isSqlite = error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_IOERR');
  return isSqlite || isErrno(error, 'EIO', 'EUCLEAN', 'EROFS');
}

/** Whether an unknown error is a Node system error, or SQLite's, with one of these codes. */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code)
  );
}
