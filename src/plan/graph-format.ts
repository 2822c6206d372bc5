/**
 * The stage graph as a picture or as data, coloured by what the cache knows of each stage. The same plan and states
 * give the same text. Edges that follow from others (a layer builds on all layers below it) are left out of pictures.
 */
import {unreachable} from '../result.ts';
import type {StageNode} from './graph.ts';
import {drawBoxes, type Look, plainText, textColour} from './graph-svg.ts';

export const graphFormats = ['mermaid', 'dot', 'json', 'svg'] as const;
export type GraphFormat = (typeof graphFormats)[number];

/** `blocked`: whether it runs hangs on a stage that runs first, or the host lacks a tool; `unknown`: nobody looked. */
export type StageState = 'hit' | 'run' | 'blocked' | 'unknown';

/** Dark text on each fill has a contrast of at least 7 to 1 (WCAG 2.2, 1.4.6). */
const stateLooks: Readonly<Record<StageState, Look>> = {
  hit: {fill: '#d3f2da', line: '#1f7a3a', dashed: false},
  run: {fill: '#ffe8b8', line: '#a86400', dashed: false},
  blocked: {fill: '#e3e9f7', line: '#3b5aa0', dashed: true},
  unknown: {fill: '#e9ebef', line: '#5f6773', dashed: true},
};

interface Stage extends Pick<StageNode, 'id' | 'title'> {
  readonly state: StageState;
  /** Stages it builds on, without those that another of them builds on. */
  readonly below: readonly string[];
}

/** Writes the graph, with a line break at its end. A stage without a state is `unknown`. */
export function formatGraph(
  nodes: readonly StageNode[],
  states: ReadonlyMap<string, StageState>,
  format: GraphFormat,
): string {
  const stateOf = ({id}: StageNode): StageState => states.get(id) ?? 'unknown';
  if (format === 'json') return json(nodes, stateOf);
  const direct = withoutImplied(nodes);
  const stages = nodes.map(
    (node): Stage => ({
      id: node.id,
      title: node.title,
      state: stateOf(node),
      below: direct.get(node.id) ?? [],
    }),
  );
  switch (format) {
    case 'mermaid':
      return mermaid(stages);
    case 'dot':
      return dot(stages);
    case 'svg':
      return svg(stages);
    default:
      return unreachable(format);
  }
}

/** The states that occur, in the order of the legend. */
function statesOf(stages: readonly Stage[]): readonly StageState[] {
  const all: readonly StageState[] = ['hit', 'run', 'blocked', 'unknown'];
  return all.filter((state) => stages.some((stage) => stage.state === state));
}

/** What each stage builds on, less what follows: the transitive reduction of the graph. */
function withoutImplied(nodes: readonly StageNode[]): ReadonlyMap<string, readonly string[]> {
  const known = new Set(nodes.map(({id}) => id));
  const reach = new Map<string, ReadonlySet<string>>();
  const direct = new Map<string, readonly string[]>();
  for (const {id, dependsOn} of nodes) {
    const below = [...new Set(dependsOn)].filter((one) => known.has(one));
    const implied = new Set(below.flatMap((one) => [...(reach.get(one) ?? [])]));
    reach.set(id, new Set([...below, ...implied]));
    direct.set(
      id,
      below.filter((one) => !implied.has(one)),
    );
  }
  return direct;
}

function svg(stages: readonly Stage[]): string {
  const boxes = stages.map(({id, title, state, below}) => ({
    id,
    tooltip: `${title}: ${state}`,
    below,
    look: stateLooks[state],
  }));
  const legend = statesOf(stages).map((state) => {
    const count = stages.filter((stage) => stage.state === state).length;
    return {label: `${state}: ${count}`, look: stateLooks[state]};
  });
  return drawBoxes(boxes, legend);
}

function json(nodes: readonly StageNode[], stateOf: (node: StageNode) => StageState): string {
  const stages = nodes.map((node) => {
    const {id, kind, title, image, target, dependsOn} = node;
    return {id, kind, title, image, target, state: stateOf(node), dependsOn};
  });
  return `${JSON.stringify({version: 1, stages}, undefined, 2)}\n`;
}

/** https://mermaid.js.org/syntax/flowchart.html */
function mermaid(stages: readonly Stage[]): string {
  const names = new Map(stages.map(({id}, index) => [id, `s${index}`]));
  const states = statesOf(stages);
  return lines([
    'flowchart TB',
    ...stages.map(({id, state}) => `  ${names.get(id) ?? ''}["${mermaidText(id)}"]:::${state}`),
    ...stages.flatMap(({id, below}) =>
      below.map((one) => `  ${names.get(one) ?? ''} --> ${names.get(id) ?? ''}`),
    ),
    '  subgraph key [Key]',
    '    direction LR',
    ...states.map((state, index) => `    k${index}["${state}"]:::${state}`),
    '  end',
    ...states.map((state) => {
      const {fill, line, dashed} = stateLooks[state];
      const style = `fill:${fill},stroke:${line},color:${textColour}`;
      return `  classDef ${state} ${style}${dashed ? ',stroke-dasharray:4 3' : ''}`;
    }),
  ]);
}

/** Entity codes for what mermaid or the page around it would read: quotes, marks of Markdown and of HTML. */
function mermaidText(text: string): string {
  return plainText(text).replaceAll(/[#"`<>&;\\*_~[\]{}|]/g, (character) => `#${character.charCodeAt(0)};`);
}

/** https://graphviz.org/doc/info/lang.html */
function dot(stages: readonly Stage[]): string {
  return lines([
    'digraph fgimage {',
    '  rankdir=TB;',
    `  node [shape=box, style="rounded,filled", fontname="monospace", fontsize=11, fontcolor="${textColour}"];`,
    '  edge [color="#7a828e", arrowsize=0.7];',
    ...stages.map(
      ({id, title, state}) =>
        `  ${dotText(id)} [${dotColours(state)}, tooltip=${dotText(`${title}: ${state}`)}];`,
    ),
    ...stages.flatMap(({id, below}) => below.map((one) => `  ${dotText(one)} -> ${dotText(id)};`)),
    '  subgraph cluster_legend {',
    '    label="Legend"; fontname="monospace"; fontsize=11; color="#c4c9d1";',
    ...statesOf(stages).map(
      (state) => `    ${dotText(`legend ${state}`)} [label=${dotText(state)}, ${dotColours(state)}];`,
    ),
    '  }',
    '}',
  ]);
}

function dotColours(state: StageState): string {
  const {fill, line, dashed} = stateLooks[state];
  return `fillcolor="${fill}", color="${line}"${dashed ? ', style="rounded,filled,dashed"' : ''}`;
}

/** In a quoted string a backslash begins an escape of graphviz's own (`\N`, `\l`), and `"` ends it. */
function dotText(text: string): string {
  return `"${plainText(text).replaceAll('\\', String.raw`\\`).replaceAll('"', String.raw`\"`)}"`;
}

function lines(list: readonly string[]): string {
  return `${list.join('\n')}\n`;
}
