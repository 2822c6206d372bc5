/**
 * `why <artifact> <input>`: by which stages something of the spec, the project or the host gets into an artifact. Looks
 * at the plan alone.
 */
import type {JsonObject, JsonValue} from '../spec/image.ts';
import {nearest} from '../spec/nearest.ts';
import type {Path} from '../spec/tree.ts';
import {packageLists, packageName, valueAt, wordsAt} from './explain-packages.ts';
import {isJsonObject} from './explain-parts.ts';
import {notePath, pathText, specPath} from './explain-paths.ts';
import type {StageNode} from './graph.ts';

/** What an input is to the stage that holds it. */
export type StageInput =
  | {readonly kind: 'stage'; readonly stage: string}
  | {readonly kind: 'file'; readonly path: string; readonly digest: string}
  | {
      readonly kind: 'package';
      /** As apt is told: `jq`, or `jq=1.6-2.1`. */
      readonly package: string;
      readonly list: 'install' | 'remove';
    }
  | {readonly kind: 'option'; readonly option: string}
  | {readonly kind: 'tool'; readonly tool: string}
  | {readonly kind: 'environment'; readonly name: string};

export interface InputPath {
  /** Stage ids, from one of the artifact's down to the one that holds the input. */
  readonly stages: readonly string[];
  readonly input: StageInput;
}

/**
 * The shortest chain of stages from an artifact's down to one that holds `input`: the id of a stage, a file of the
 * project, a package, a tool, an option by its path in the spec (`users[1].shell`), or a variable of the environment.
 * Of two as short the one that is planned first. Undefined where the artifact does not depend on any such thing.
 */
export function shortestPath(
  nodes: readonly StageNode[],
  from: readonly string[],
  input: string,
): InputPath | undefined {
  const byId = new Map(nodes.map((node, index) => [node.id, {node, index}]));
  const trails = new Map<string, readonly string[]>(from.map((id) => [id, [id]]));
  let level = from;
  while (level.length > 0) {
    const found = level.flatMap((id) => byId.get(id) ?? []).sort((a, b) => a.index - b.index);
    for (const {node} of found) {
      const held = heldInput(node, input);
      if (held !== undefined) return {stages: trails.get(node.id) ?? [node.id], input: held};
    }
    const next: string[] = [];
    for (const {node} of found) {
      for (const id of node.dependsOn) {
        if (trails.has(id)) continue;
        trails.set(id, [...(trails.get(node.id) ?? []), id]);
        next.push(id);
      }
    }
    level = next;
  }
  return undefined;
}

/** The input of these stages that a mistyped one was probably meant to be. */
export function nearestInput(nodes: readonly StageNode[], input: string): string | undefined {
  return nearest(input, new Set(nodes.flatMap((node) => inputsOf(node).map(([name]) => name))));
}

function heldInput(node: StageNode, input: string): StageInput | undefined {
  return inputsOf(node).find(([name]) => name === input)?.[1];
}

/** Everything that a stage holds by the names it goes by; where one name is two things, the first counts. */
function inputsOf(node: StageNode): readonly (readonly [name: string, input: StageInput])[] {
  return [
    [node.id, {kind: 'stage', stage: node.id}],
    ...Object.entries(node.files).map(([path, digest]) => [path, {kind: 'file', path, digest}] as const),
    ...packagesOf(node),
    ...optionsOf(node).map((option) => [option, {kind: 'option', option}] as const),
    ...node.tools.map((tool) => [tool, {kind: 'tool', tool}] as const),
    ...Object.keys(node.environment).map((name) => [name, {kind: 'environment', name}] as const),
  ];
}

function packagesOf({params}: StageNode): readonly (readonly [string, StageInput])[] {
  return packageLists.flatMap(({param, list}) =>
    (wordsAt(params, param) ?? []).flatMap((word) => {
      const input = {kind: 'package', package: word, list} as const;
      const name = packageName(word);
      return name === word ? [[name, input] as const] : [[name, input] as const, [word, input] as const];
    }),
  );
}

/** Paths of the spec that the parameters, or the options they were made from, have a value under. */
function optionsOf(node: StageNode): readonly string[] {
  const found: Path[] = [];
  for (const {param, spec} of node.origins) {
    const value = valueAt(node.params, param);
    if (value === undefined) continue;
    found.push(...upTo(spec));
    for (const rest of pathsBelow(value)) {
      const path = specPath([...param, ...rest], node);
      if (path !== undefined) found.push(path);
    }
  }
  const notes: JsonObject = node.notes ?? {};
  for (const [name, value] of Object.entries(notes)) {
    found.push(...upTo(notePath(name)), ...pathsBelow(value).map((rest) => [...notePath(name), ...rest]));
  }
  return [...new Set(found.map(pathText))];
}

/** A path and those around it: `['services', 'enable']` lies in `['services']`. */
function upTo(path: Path): readonly Path[] {
  return path.map((_, index) => path.slice(0, index + 1));
}

function pathsBelow(value: JsonValue): readonly Path[] {
  const members: readonly (readonly [string | number, JsonValue])[] = isJsonObject(value)
    ? Object.entries(value)
    : Array.isArray(value)
      ? (value as readonly JsonValue[]).map((one, index) => [index, one] as const)
      : [];
  return members.flatMap(([step, one]) => [[step], ...pathsBelow(one).map((rest) => [step, ...rest])]);
}
