import type {StageProgress, StageStarted} from '../run/events.ts';

/** A new tenth of the whole is told, but not more often than this. */
const fractionGapMs = 2_000;
/** Without a fraction, or when it stands still, something is told this often. */
const messageGapMs = 10_000;

export interface ProgressThrottle {
  start(event: Pick<StageStarted, 'stage' | 'time'>): void;
  /** Whether this progress is worth a line of a log; asked once an event. */
  admits(event: Pick<StageProgress, 'stage' | 'time' | 'fraction'>): boolean;
}

/** Thins out progress to every tenth or every ten seconds, stage by stage, by the time of the events themselves. */
export function createProgressThrottle(): ProgressThrottle {
  const told = new Map<string, {readonly time: number; readonly tenth: number}>();
  return {
    start({stage, time}) {
      told.set(stage, {time, tenth: 0});
    },
    admits({stage, time, fraction}) {
      const before = told.get(stage) ?? {time: Number.NEGATIVE_INFINITY, tenth: 0};
      const tenth = fraction === undefined ? before.tenth : Math.floor(fraction * 10);
      const gap = time - before.time;
      const admitted = gap >= messageGapMs || (tenth > before.tenth && gap >= fractionGapMs);
      /* A fraction that falls belongs to a new phase, whose tenths count from its own beginning. */
      if (admitted) told.set(stage, {time, tenth});
      else if (tenth < before.tenth) told.set(stage, {...before, tenth});
      return admitted;
    },
  };
}
