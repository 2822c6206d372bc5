/**
 * Draws boxes that build on each other as an SVG that needs nothing beside itself: what is built on stands above. A
 * layered drawing after Sugiyama, Tagawa and Toda (1981): rows by the longest path, long edges led through rows by
 * places of their own, the order in rows by barycentres, columns by isotonic regression. Deterministic.
 */

export interface Look {
  readonly fill: string;
  readonly line: string;
  /** What is not sure to run has a dashed line, so that looks differ without colours too. */
  readonly dashed: boolean;
}

export interface Box {
  /** Unique; also what stands in it. */
  readonly id: string;
  readonly tooltip: string;
  /** Ids of the boxes it builds on; these come earlier in the list. */
  readonly below: readonly string[];
  readonly look: Look;
}

export interface LegendEntry {
  readonly label: string;
  readonly look: Look;
}

export const textColour = '#16191d';

const fontSize = 12;
/** Advance of a character of a monospace font; `textLength` holds fonts that differ to it. */
const characterWidth = 7.25;
const widestLabel = 44;
const boxHeight = 30;
const rowGap = 34;
const columnGap = 22;
const margin = 20;
const legendHeight = 24;

/** A box, or the place that a long edge takes in a row that it passes. */
interface Place {
  readonly width: number;
  readonly box?: Box;
  /** Places in the rows above and below that it is joined to. */
  readonly up: Place[];
  readonly down: Place[];
  /** Centre. */
  x: number;
}

export function drawBoxes(boxes: readonly Box[], legend: readonly LegendEntry[]): string {
  const rows = orderRows(placeRows(boxes));
  setColumns(rows);
  const places = rows.flat();
  const left = Math.min(0, ...places.map(({x, width}) => x - width / 2));
  for (const place of places) place.x += margin - left;
  const legendWidth = legend.reduce((sum, {label}) => sum + legendEntryWidth(label), 0);
  const right = Math.max(0, ...places.map(({x, width}) => x + width / 2));
  const width = Math.ceil(Math.max(right, legendWidth + margin) + margin);
  const height = Math.ceil(rowTop(rows.length) - rowGap + margin);
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Graph of stages">`,
    '<style>',
    `text { font: ${fontSize}px "DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace; fill: ${textColour}; }`,
    '.edge { fill: none; stroke: #7a828e; stroke-width: 1.2; marker-end: url(#arrow); }',
    '</style>',
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.8 L7.5 4 L0 7.2 z" fill="#7a828e"/></marker></defs>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...drawLegend(legend),
    ...rows.flatMap((row, index) => row.flatMap((place) => drawEdges(place, index))),
    ...rows.flatMap((row, index) => row.flatMap((place) => drawBox(place, index))),
    '</svg>',
  ].join('\n')}\n`;
}

/** One line without control characters, which XML 1.0 cannot hold (2.2, Char). */
export function plainText(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029\uFFFE\uFFFF]/gu, ' ');
}

/** Rows from the top, each box as far down as what it builds on says, sources just above what builds on them. */
function placeRows(boxes: readonly Box[]): Place[][] {
  const rowOf = new Map<string, number>();
  for (const {id, below} of boxes) {
    rowOf.set(id, Math.max(-1, ...below.map((one) => rowOf.get(one) ?? -1)) + 1);
  }
  for (const {id, below} of boxes) {
    const users = boxes.filter((box) => box.below.includes(id)).map((box) => rowOf.get(box.id) ?? 0);
    if (below.length === 0 && users.length > 0) rowOf.set(id, Math.min(...users) - 1);
  }
  const rows: Place[][] = Array.from({length: Math.max(-1, ...rowOf.values()) + 1}, () => []);
  const placeOf = new Map<string, Place>();
  const put = (row: number, width: number, box?: Box): Place => {
    const place: Place = {width, up: [], down: [], x: 0, ...(box === undefined ? {} : {box})};
    rows[row]?.push(place);
    return place;
  };
  for (const box of boxes) {
    const row = rowOf.get(box.id) ?? 0;
    const place = put(row, labelWidth(label(box.id)) + 20, box);
    placeOf.set(box.id, place);
  }
  for (const {id, below} of boxes) {
    for (const one of below) {
      let upper = placeOf.get(one);
      const last = placeOf.get(id);
      if (upper === undefined || last === undefined) continue;
      for (let row = (rowOf.get(one) ?? 0) + 1; row < (rowOf.get(id) ?? 0); row += 1) {
        upper = join(upper, put(row, 4));
      }
      join(upper, last);
    }
  }
  return rows;
}

function join(upper: Place, lower: Place): Place {
  upper.down.push(lower);
  lower.up.push(upper);
  return lower;
}

const sweeps = 24;

/** Orders each row by the mean place of its neighbours, downwards and upwards in turn; the best order seen is kept. */
function orderRows(rows: readonly Place[][]): readonly Place[][] {
  let order = rows.map((row) => [...row]);
  let best = order;
  let fewest = crossings(best);
  for (let sweep = 0; sweep < sweeps && fewest > 0; sweep += 1) {
    const down = sweep % 2 === 0;
    const next = order.map((row) => [...row]);
    const indexes = next.map((_, index) => (down ? index : next.length - 1 - index));
    for (const index of indexes) {
      const row = next[index] ?? [];
      next[index] = sorted(row, next[down ? index - 1 : index + 1] ?? [], down ? 'up' : 'down');
    }
    order = next;
    const count = crossings(order);
    if (count < fewest) [best, fewest] = [order, count];
  }
  return best;
}

function sorted(row: readonly Place[], other: readonly Place[], side: 'up' | 'down'): Place[] {
  const index = new Map(other.map((place, at) => [place, at]));
  const mean = new Map(
    row.map((place, at) => {
      const near = place[side].map((one) => index.get(one) ?? 0);
      return [place, near.length === 0 ? at : average(near)];
    }),
  );
  return row.toSorted((a, b) => (mean.get(a) ?? 0) - (mean.get(b) ?? 0));
}

function crossings(rows: readonly (readonly Place[])[]): number {
  let count = 0;
  for (const [at, row] of rows.entries()) {
    const index = new Map((rows[at + 1] ?? []).map((place, place_) => [place, place_]));
    const ends: number[] = [];
    for (const {down} of row) {
      const mine = down.map((place) => index.get(place) ?? 0).sort((a, b) => a - b);
      for (const end of mine) count += ends.filter((before) => before > end).length;
      ends.push(...mine);
    }
  }
  return count;
}

/** Moves each row towards its neighbours without changing its order, often enough to settle. */
function setColumns(rows: readonly (readonly Place[])[]): void {
  for (const row of rows) {
    settle(
      row,
      row.map(() => 0),
    );
  }
  for (let sweep = 0; sweep < 2 * sweeps; sweep += 1) {
    const down = sweep % 2 === 0;
    for (const row of down ? rows : rows.toReversed()) {
      const wanted = row.map(({up, down: lower, x}) => {
        const near = down ? up : lower;
        const all = near.length === 0 ? [...up, ...lower] : near;
        return all.length === 0 ? x : average(all.map((place) => place.x));
      });
      settle(row, wanted);
    }
  }
}

/**
 * Gives a row the columns that are nearest to the wanted ones, in weighted squares, with room for each width: pool
 * adjacent violators. Places of long edges weigh more, which keeps these straight.
 */
function settle(row: readonly Place[], wanted: readonly number[]): void {
  const blocks: {sum: number; weight: number; places: Place[]; offsets: number[]}[] = [];
  let offset = 0;
  for (const [index, place] of row.entries()) {
    const before = row[index - 1];
    if (before !== undefined) offset += (before.width + place.width) / 2 + columnGap;
    const weight = place.box === undefined ? 4 : 1;
    let block = {
      sum: ((wanted[index] ?? 0) - offset) * weight,
      weight,
      places: [place],
      offsets: [offset],
    };
    for (let last = blocks.at(-1); last !== undefined; last = blocks.at(-1)) {
      if (last.sum / last.weight <= block.sum / block.weight) break;
      blocks.pop();
      block = {
        sum: last.sum + block.sum,
        weight: last.weight + block.weight,
        places: [...last.places, ...block.places],
        offsets: [...last.offsets, ...block.offsets],
      };
    }
    blocks.push(block);
  }
  for (const {sum, weight, places, offsets} of blocks) {
    for (const [index, place] of places.entries()) place.x = sum / weight + (offsets[index] ?? 0);
  }
}

function drawBox({box, x, width}: Place, row: number): readonly string[] {
  if (box === undefined) return [];
  const text = label(box.id);
  const {id, tooltip, look} = box;
  return [
    '<g>',
    `<title>${xml(id)}\n${xml(tooltip)}</title>`,
    rectangle({x: x - width / 2, y: rowTop(row), width, height: boxHeight}, look),
    `<text x="${number(x)}" y="${number(rowTop(row) + boxHeight / 2 + 4)}" text-anchor="middle" textLength="${number(labelWidth(text))}" lengthAdjust="spacingAndGlyphs">${xml(text)}</text>`,
    '</g>',
  ];
}

/** The edges that begin at a box, each led through the places that it takes down to the next box. */
function drawEdges(place: Place, row: number): readonly string[] {
  if (place.box === undefined) return [];
  return place.down.map((first) => {
    let [x, y] = [port(place, first, 'down'), rowTop(row) + boxHeight];
    let path = `M${number(x)} ${number(y)}`;
    let upper = place;
    let at: Place | undefined = first;
    for (let below = row + 1; at !== undefined; below += 1) {
      const [toX, toY]: [number, number] = [port(at, upper, 'up'), rowTop(below)];
      const middle = number((y + toY) / 2);
      path += ` C${number(x)} ${middle} ${number(toX)} ${middle} ${number(toX)} ${number(toY)}`;
      if (at.box !== undefined) break;
      [x, y] = [toX, toY + boxHeight];
      path += ` V${number(y)}`;
      [upper, at] = [at, at.down[0]];
    }
    return `<path class="edge" d="${path}"/>`;
  });
}

const portGap = 14;

/** Where an edge meets a box: edges of one side stand beside each other, in the order of where they come from. */
function port(place: Place, other: Place, side: 'up' | 'down'): number {
  if (place.box === undefined) return place.x;
  const ends = place[side].toSorted((a, b) => a.x - b.x);
  const gap = Math.min(portGap, (place.width - 20) / ends.length);
  return place.x + (ends.indexOf(other) - (ends.length - 1) / 2) * gap;
}

function drawLegend(legend: readonly LegendEntry[]): readonly string[] {
  let x = margin;
  return legend.flatMap(({label: text, look}) => {
    const at = x;
    x += legendEntryWidth(text);
    return [
      rectangle({x: at, y: margin, width: 16, height: 14}, look),
      `<text x="${number(at + 22)}" y="${number(margin + 11)}" textLength="${number(labelWidth(text))}" lengthAdjust="spacingAndGlyphs">${xml(text)}</text>`,
    ];
  });
}

function legendEntryWidth(text: string): number {
  return labelWidth(text) + 44;
}

interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function rectangle({x, y, width, height}: Area, {fill, line, dashed}: Look): string {
  const dashes = dashed ? ' stroke-dasharray="4 3"' : '';
  return `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${height}" rx="5" fill="${fill}" stroke="${line}" stroke-width="1.4"${dashes}/>`;
}

function rowTop(row: number): number {
  return margin + legendHeight + 12 + row * (boxHeight + rowGap);
}

/** An id as it fits into a box: the middle of a long one is left out. */
function label(id: string): string {
  const characters = Array.from(plainText(id));
  if (characters.length <= widestLabel) return characters.join('');
  const half = Math.floor((widestLabel - 1) / 2);
  return `${characters.slice(0, half).join('')}…${characters.slice(-half).join('')}`;
}

function labelWidth(text: string): number {
  return Math.max(1, Array.from(text).length) * characterWidth;
}

function average(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
}

/** At most one digit after the point: what another machine's last bits say does not show. */
function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function xml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&apos;',
  };
  return plainText(text).replaceAll(/[&<>"']/g, (character) => entities[character] ?? '');
}
