import type {RunEvent} from '../../src/run/events.ts';

/** One build as a picture shows it. */
export interface Timeline {
  readonly name: string;
  readonly stages: readonly Bar[];
  readonly durationMs: number;
}

interface Bar {
  readonly stage: string;
  readonly startMs: number;
  readonly endMs: number;
}

/** The stages that ran, from the events of `fgimage build --json`. */
export function timelineOf(name: string, events: readonly RunEvent[]): Timeline {
  const start = events.find(({type}) => type === 'run-started')?.time ?? 0;
  const begun = new Map<string, number>();
  const stages: Bar[] = [];
  for (const event of events) {
    if (event.type === 'stage-started') begun.set(event.stage, event.time - start);
    if (event.type !== 'stage-finished' && event.type !== 'stage-cached') continue;
    const startMs = begun.get(event.stage);
    if (startMs !== undefined) stages.push({stage: event.stage, startMs, endMs: event.time - start});
  }
  const end = events.find(({type}) => type === 'run-finished')?.time ?? start;
  return {name, stages, durationMs: end - start};
}

const width = 900;
const labelWidth = 260;
const rowHeight = 20;
const headHeight = 34;

/** Builds below each other on one scale of time, each stage a bar in a row of its own: a self-contained SVG. */
export function timelineSvg(timelines: readonly Timeline[]): string {
  const longestMs = Math.max(1, ...timelines.map(({durationMs}) => durationMs));
  const x = (ms: number): number => labelWidth + (ms / longestMs) * (width - labelWidth - 70);
  const body: string[] = [];
  let y = 10;
  for (const {name, stages, durationMs} of timelines) {
    body.push(
      text(10, y + 18, `${name}: ${seconds(durationMs)}`, 'font-weight="bold" font-size="14"'),
      `<line x1="${x(0)}" y1="${y + 26}" x2="${round(x(durationMs))}" y2="${y + 26}" stroke="#5f6773"/>`,
    );
    y += headHeight;
    for (const {stage, startMs, endMs} of stages) {
      const length = Math.max(1.5, x(endMs) - x(startMs));
      body.push(
        text(labelWidth - 8, y + 13, stage, 'text-anchor="end" font-size="11"'),
        `<rect x="${round(x(startMs))}" y="${y + 3}" width="${round(length)}" height="${rowHeight - 7}" rx="2" fill="${colour(stage)}"/>`,
        text(x(startMs) + length + 5, y + 13, seconds(endMs - startMs), 'font-size="10" fill="#5f6773"'),
      );
      y += rowHeight;
    }
    if (stages.length === 0) {
      body.push(text(labelWidth, y + 13, 'every stage from the cache', 'font-size="11" fill="#5f6773"'));
      y += rowHeight;
    }
    y += 12;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="sans-serif" fill="#16191d">
<rect width="100%" height="100%" fill="#ffffff"/>
${body.join('\n')}
</svg>
`;
}

function text(x: number, y: number, words: string, attributes: string): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${round(x)}" y="${y}" ${attributes}>${escaped}</text>`;
}

const colours: Readonly<Record<string, string>> = {
  archive: '#9aa5b1',
  base: '#4c78a8',
  customize: '#59a14f',
  initramfs: '#b07aa1',
  adapt: '#f0a83c',
  pack: '#d0605e',
  test: '#79706e',
};

function colour(stage: string): string {
  return colours[stage.split(':')[0] ?? ''] ?? '#4c78a8';
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
