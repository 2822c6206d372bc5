/** Ended by a signal that asks a process to end. */
export interface Cancellation extends Disposable {
  /** Aborted by the first such signal, whose name is the reason. */
  readonly signal: AbortSignal;
  /** Aborts it for another reason. */
  readonly abort: (reason?: unknown) => void;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Turns Ctrl-C and its like into an abort signal until the end of the scope; `again` hears every further one. */
export function cancelOnSignals(again?: (signal: NodeJS.Signals) => void): Cancellation {
  const controller = new AbortController();
  const hear = (signal: NodeJS.Signals): void => {
    if (controller.signal.aborted) again?.(signal);
    else controller.abort(signal);
  };
  for (const signal of signals) process.on(signal, hear);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, hear);
    },
  };
}
