/**
 * The live part of the terminal view: listr2 as the renderer of our own scheduler. Every stage is a listr2 task that
 * ends when the model says so; which of them are drawn, and as what, is read from the model at each frame.
 *
 * Imports listr2, so it is itself imported only once a stage runs.
 */
import {Writable} from 'node:stream';
import {DefaultRenderer, Listr, ListrLogger, ProcessOutput, Spinner} from 'listr2';
import {formatCounts, formatStage, type Size, stageIcon, visibleStages} from './frame.ts';
import type {RunModel} from './model.ts';
import type {Style} from './style.ts';
import type {ViewStream} from './view.ts';

export interface LiveListOptions {
  readonly model: RunModel;
  readonly stream: ViewStream;
  readonly style: Style;
  readonly verbose: boolean;
  /** Asked at each frame, so that a resized terminal is followed. */
  readonly size: () => Size;
}

export interface LiveList {
  /** Removes the list from the terminal and shows the cursor again. */
  stop(): Promise<void>;
}

/** Draws the list until it is stopped. All stages are planned by now. */
export function startLiveList(options: LiveListOptions): LiveList {
  const stages = options.model.stages.map(({plan}) => plan.stage);
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const spinner = new Spinner();
  const list = new Listr(
    /* The last task is the line of counts. */
    [...stages, 'counts'].map((title) => ({title, task: () => stopped})),
    {
      concurrent: true,
      exitOnError: false,
      /* Ctrl-C belongs to the command, which stops children first; listr2 would exit at once. */
      registerSignalListeners: false,
      renderer: stageRenderer(stages, spinner, options),
      rendererOptions: {
        spinner,
        clearOutput: true,
        logger: new ListrLogger({useIcons: true, toStderr: [], processOutput: processOutput(options)}),
      },
    },
  );
  const ended = list.run();
  return {
    async stop() {
      stop();
      await ended;
    },
  };
}

type RendererArguments = ConstructorParameters<typeof DefaultRenderer>;
type RendererTask = RendererArguments[0][number];

function stageRenderer(
  stages: readonly string[],
  spinner: Spinner,
  options: LiveListOptions,
): typeof DefaultRenderer {
  const {model, style, verbose, size} = options;
  return class StageRenderer extends DefaultRenderer {
    /* Whether the output is a terminal was decided before the view was chosen. */
    static override nonTTY = true;
    readonly #all: readonly RendererTask[];
    readonly #drawn: RendererTask[];
    readonly #icons = new Map<RendererTask, string>();

    constructor(...[tasks, rendererOptions, events]: RendererArguments) {
      const drawn: RendererTask[] = [];
      super(drawn, rendererOptions, events);
      this.#all = tasks;
      this.#drawn = drawn;
    }

    override create(parts?: Parameters<DefaultRenderer['create']>[0]): string {
      const {columns, rows} = size();
      const now = Date.now();
      this.#drawn.length = 0;
      for (const stage of visibleStages(model, {columns, rows})) {
        const task = this.#all[stages.indexOf(stage.plan.stage)];
        if (task === undefined) continue;
        task.title = formatStage(stage, {columns, now, verbose});
        this.#icons.set(task, stageIcon(stage.state, spinner.fetch(), style));
        this.#drawn.push(task);
      }
      const counts = this.#all.at(-1);
      if (counts !== undefined) {
        counts.title = formatCounts(model, {columns, now});
        this.#icons.set(counts, ' ');
        this.#drawn.push(counts);
      }
      return super.create(parts);
    }

    protected override style(task: RendererTask): string {
      return this.#icons.get(task) ?? ' ';
    }

    protected override format(message: string, icon: string): string[] {
      return [`${icon} ${message}`];
    }
  };
}

/**
 * What listr2 writes to. Of its own, so that listr2 takes neither `process.stdout` nor `process.stderr` away from
 * the rest of the program while it draws, and so that a terminal which does not know its size is given one.
 */
function processOutput({stream, size}: LiveListOptions): ProcessOutput {
  const terminal = () => {
    const writable = new Writable({
      write(chunk: Buffer, _encoding, done) {
        stream.write(chunk.toString());
        done();
      },
    });
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- listr2 and log-update use a terminal's write, columns and rows only
    return Object.assign(writable, size()) as Writable as NodeJS.WriteStream;
  };
  return new ProcessOutput(terminal(), terminal());
}
