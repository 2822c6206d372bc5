import type {View, ViewOptions} from './view.ts';

/** One event a line, and nothing else. */
export function createJsonView({stream}: Pick<ViewOptions, 'stream'>): View {
  return {
    handle(event) {
      stream.write(`${JSON.stringify(event)}\n`);
    },
    close: () => Promise.resolve(),
  };
}
