import {type Document, isMap, isScalar, isSeq, type Pair, parseDocument, visit, type YAMLSeq} from 'yaml';

/** What a starter's spec is made one's own by. */
export interface InitAnswers {
  readonly name: string;
  readonly distribution: string;
  readonly release: string;
  /** Where the distribution's packages are; absent: where its template or this host says. */
  readonly mirror?: string | undefined;
  /** Names, which are types too. */
  readonly targets: readonly string[];
}

/** A starter's own answers. */
export function answersOf(text: string): InitAnswers {
  const found = parseDocument(text).toJS() as {
    readonly name: string;
    readonly os: {readonly distribution: string; readonly release: string};
    readonly targets: Readonly<Record<string, unknown>>;
  };
  const {name, os, targets} = found;
  return {name, distribution: os.distribution, release: os.release, targets: Object.keys(targets)};
}

/**
 * The text of a starter with these answers in the place of its own; comments and everything else stay as they are. A
 * target that the starter has keeps its options.
 */
export function withAnswers(text: string, answers: InitAnswers): string {
  const document = parseDocument(text);
  const places: Place[] = [
    placeOf(document.getIn(['name'], true), answers.name),
    placeOf(document.getIn(['os', 'distribution'], true), answers.distribution),
    placeOf(document.getIn(['os', 'release'], true), answers.release),
  ];
  if (answers.mirror !== undefined) {
    const {start} = placeOf(document.getIn(['os', 'release'], true), '');
    const end = text.indexOf('\n', start);
    places.push({start: end, end, text: `\n  mirror: ${JSON.stringify(answers.mirror)}`});
  }
  // Where nothing else is wanted than what the starter has, its matrix stays.
  for (const releases of answers.release === answersOf(text).release ? [] : matrixReleases(document)) {
    const [start, end] = rangeOf(releases);
    places.push({start, end, text: `[${wordOf(answers.release)}]`});
  }
  const targets = document.getIn(['targets'], true);
  if (!isMap(targets)) throw new Error('A starter names its targets in a mapping');
  const written = new Map(targets.items.map((pair) => [nameOf(pair), linesOf(pair, text)]));
  const kept = [...written.keys()];
  if (kept.join() !== answers.targets.join()) {
    const [start] = rangeOf(targets);
    // The range of a mapping goes on to the next key, over comments that are not of it.
    const length = /^.*(?:\n {2,}[^\s#].*)*/.exec(text.slice(start))?.[0].length ?? 0;
    const lines = answers.targets.map((name) => written.get(name) ?? `${name}:`);
    places.push({start, end: start + length, text: lines.join('\n  ')});
  }
  let result = text;
  for (const {start, end, text: fresh} of places.sort((a, b) => b.start - a.start))
    result = result.slice(0, start) + fresh + result.slice(end);
  return result;
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function placeOf(node: unknown, value: string): Place {
  if (!isScalar(node)) throw new Error('A starter has a name, a distribution and a release');
  const [start, end] = rangeOf(node);
  return {start, end, text: wordOf(value)};
}

/** In quotes what YAML would not read as text. */
function wordOf(value: string): string {
  const isPlain = /^[a-z][a-z0-9-]*$/.test(value) && !/^(?:true|false|null)$/.test(value);
  return isPlain ? value : JSON.stringify(value);
}

/** The lists of releases that a matrix varies: what an image is built for is theirs to say. */
function matrixReleases(document: Document): readonly YAMLSeq[] {
  const found: YAMLSeq[] = [];
  visit(document, {
    Pair: (_, {key, value}) => {
      if (!isScalar(key) || key.value !== 'matrix' || !isMap(value)) return;
      const releases = value.get('release', true);
      if (isSeq(releases)) found.push(releases);
    },
  });
  return found;
}

function nameOf({key}: Pair): string {
  return isScalar(key) ? String(key.value) : '';
}

/** A target with its options, as they stand there. */
function linesOf({key, value}: Pair, text: string): string {
  const [start, keyEnd] = rangeOf(key);
  const end = isMap(value) ? rangeOf(value)[1] : keyEnd + 1;
  return text.slice(start, end).trimEnd();
}

function rangeOf(node: unknown): readonly [start: number, end: number] {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  if (!Array.isArray(range)) throw new Error('A starter is parsed with its places');
  return [Number(range[0]), Number(range[1])];
}
