import type {RunEvent} from '../run/events.ts';
import {printable} from './format.ts';
import {formatStage, stageIcon} from './frame.ts';
import type {LiveList} from './live-list.ts';
import {RunModel} from './model.ts';
import {createStyle} from './style.ts';
import {formatSummary, formatWarning} from './summary.ts';
import type {View, ViewOptions} from './view.ts';

/** Events with which something begins that takes time. */
const startsWork: ReadonlySet<RunEvent['type']> = new Set<RunEvent['type']>([
  'stage-started',
  'stage-waiting',
  'registration-started',
]);

/** Runs of more stages than this are told by their failures and the summary alone. */
const listedStages = 60;

/** A live list while stages run; when the view is closed, what ran, warnings and the summary stay in its place. */
export function createTtyView({stream, verbose, replay, color, columns, rows}: ViewOptions): View {
  const model = new RunModel();
  const style = createStyle(color);
  /* A terminal that does not know its size says 0 or nothing. */
  const size = () => ({columns: columns ?? (stream.columns || 80), rows: rows ?? (stream.rows || 24)});
  let live: Promise<LiveList> | undefined;
  let closed = false;
  /** Lines that have to wait until the list is gone. */
  const replayed: string[] = [];

  /** Not before something runs: a build that is wholly cached must not wait for listr2 to load. */
  const startLive = async (): Promise<LiveList> => {
    const {startLiveList} = await import('./live-list.ts');
    return startLiveList({model, stream, style, verbose, size});
  };

  const ranStages = (): readonly string[] => {
    const ran = model.stages.filter(
      ({state}) => state === 'done' || state === 'failed' || state === 'skipped',
    );
    if (ran.length > listedStages) return [];
    const now = Date.now();
    return ran.map(
      (stage) =>
        `${stageIcon(stage.state, '', style)} ${formatStage(stage, {columns: size().columns, now, verbose})}`,
    );
  };

  return {
    handle(event) {
      model.apply(event);
      if (event.type === 'stage-log' && replay && model.stage(event.stage)?.state === 'cached') {
        const line = `[${printable(event.stage)}] | ${printable(event.line)}`.trimEnd();
        if (live === undefined) stream.write(`${line}\n`);
        else replayed.push(line);
      }
      if (live === undefined && startsWork.has(event.type)) {
        live = startLive();
        /* Reported by close(), which awaits it; until then it must not count as unhandled. */
        live.catch(() => undefined);
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      await (await live)?.stop();
      const warnings = model.warnings.flatMap((warning) => formatWarning(warning, style));
      const summary = formatSummary(model, {style, verbose, lock: model.lock});
      for (const line of [...replayed, ...ranStages(), ...warnings, ...summary]) stream.write(`${line}\n`);
    },
  };
}
