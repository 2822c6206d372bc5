import {readyPaths} from './closing.ts';
import {printable} from './format.ts';
import {corruptWarning, RunModel} from './model.ts';
import {createStyle} from './style.ts';
import {formatFailures, formatWarning} from './summary.ts';
import type {View, ViewOptions} from './view.ts';

/** Warnings as they come, failures at the end, then the path of each output. */
export function createQuietView({stream}: Pick<ViewOptions, 'stream'>): View {
  const model = new RunModel();
  const style = createStyle(false);
  const write = (lines: readonly string[]) => {
    for (const line of lines) stream.write(`${line}\n`);
  };

  return {
    handle(event) {
      model.apply(event);
      if (event.type === 'warning') write(formatWarning(event, style));
      if (event.type === 'content-corrupt') write(formatWarning(corruptWarning(event), style));
      if (event.type === 'registration-finished') write([printable(event.id)]);
      if (event.type !== 'run-finished') return;
      write(formatFailures(model, style).flat());
      write(readyPaths(event.outputs));
    },
    close: () => Promise.resolve(),
  };
}
