/** Expected failures are values; only defects throw. */
export type Result<T, F> = {readonly ok: true; readonly value: T} | {readonly ok: false; readonly error: F};

export function ok<T>(value: T): {readonly ok: true; readonly value: T} {
  return {ok: true, value};
}

export function fail<F>(error: F): {readonly ok: false; readonly error: F} {
  return {ok: false, error};
}

/** Reached only when a closed union was extended and a switch was not. */
export function unreachable(value: never): never {
  throw new Error(`Unreachable: ${JSON.stringify(value)}`);
}
