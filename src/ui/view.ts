import type {SequencedEvent} from '../run/events.ts';
import {createJsonView} from './json-view.ts';
import {createPlainView} from './plain-view.ts';
import {createQuietView} from './quiet-view.ts';
import {createTtyView} from './tty-view.ts';

export type ViewMode = 'tty' | 'plain' | 'json' | 'quiet';

/** A consumer of a run's events. It never throws for what a child process printed and never decides anything. */
export interface View {
  handle(event: SequencedEvent): void;
  /** Writes what is left, gives the terminal back. Safe to call at any time, also without a `run-finished`. */
  close(): Promise<void>;
}

/** What a view needs of a stream; `process.stdout` is one. */
export interface ViewStream {
  write(text: string): unknown;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export interface ViewOptions {
  readonly mode: ViewMode;
  readonly verbose: boolean;
  /** Whether the logs of cached stages are printed: their lines come as events like any other. */
  readonly replay: boolean;
  readonly stream: ViewStream;
  /** Size of the terminal; absent: the stream's own, followed while it changes. */
  readonly columns?: number;
  readonly rows?: number;
  /** Only the `tty` view and its summary use colour. */
  readonly color: boolean;
}

/** The view for one run. Only `tty` loads listr2, and only once a stage begins to run. */
export function createView(options: ViewOptions): View {
  switch (options.mode) {
    case 'tty':
      return createTtyView(options);
    case 'plain':
      return createPlainView(options);
    case 'json':
      return createJsonView(options);
    case 'quiet':
      return createQuietView(options);
  }
}
