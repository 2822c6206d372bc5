import {isAlias, isMap, isNode, isPair, isScalar, isSeq, type Node} from 'yaml';
import {fail, ok, type Result} from '../result.ts';
import {type Diagnostic, type DiagnosticOptions, diagnosticAt, quote} from './diagnostic.ts';
import {composeDocument, nestedTooDeep} from './document.ts';
import {positionOf, type Site, type SourceFile} from './source.ts';
import type {Entry, Tree} from './tree.ts';

/**
 * YAML text to a tree: YAML 1.2, core schema, one document, no tags of one's own, no merge keys. Hostile input ends
 * here: depth, the number of values after aliases are expanded, repeated keys and `__proto__` are checked in one walk
 * that visits every node once.
 */
const deepest = 32;
const mostValues = 100_000;

/** Gives the tree of the file, or what is wrong with its YAML. */
export function parseTree(source: SourceFile): Result<Tree, readonly Diagnostic[]> {
  const contents = composeDocument(source, deepest);
  if (!contents.ok) return contents;
  const walk = new Walk(source);
  const {tree} = walk.visit(contents.value, 1);
  return walk.problems.length > 0 ? fail(walk.problems) : ok(tree);
}

const tooDeep = nestedTooDeep(deepest);

const tooLarge = {
  message: `This holds more than ${mostValues} values, aliases expanded`,
  hint: 'Use fewer aliases of aliases, or shorter lists',
};

/** A tree with its weight: the values in it once every alias is expanded, and the levels below it. */
interface Weighed {
  readonly tree: Tree;
  readonly values: number;
  readonly levels: number;
}

class Walk {
  readonly problems: Diagnostic[] = [];
  readonly #source: SourceFile;
  readonly #exceeded = new Set<object>();
  readonly #anchors = new Map<string, Weighed>();

  constructor(source: SourceFile) {
    this.#source = source;
  }

  problem(
    site: Site,
    text: {readonly message: string; readonly hint: string},
    options?: DiagnosticOptions,
  ): void {
    this.problems.push(diagnosticAt(positionOf(site), text, options));
  }

  visit(node: Node | null, level: number): Weighed {
    const site = this.#site(node);
    const weighed =
      level > deepest ? {...leaf(site, null, ''), levels: 2} : this.#visitNode(node, site, level);
    const found = this.#limited(weighed, level);
    if (isNode(node) && !isAlias(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, found);
    return found;
  }

  /** The value itself, or an empty one where it is too large: each limit is reported once. */
  #limited(found: Weighed, level: number): Weighed {
    const problem =
      level + found.levels - 1 > deepest ? tooDeep : found.values > mostValues ? tooLarge : undefined;
    if (problem === undefined) return found;
    if (!this.#exceeded.has(problem)) this.problem(found.tree.site, problem);
    this.#exceeded.add(problem);
    return leaf(found.tree.site, null, '');
  }

  #visitNode(node: Node | null, site: Site, level: number): Weighed {
    if (isAlias(node)) return this.#alias(node.source, site);
    if (isSeq(node)) {
      const items = node.items.map((item) => this.visit(item as Node | null, level + 1));
      return branch({kind: 'list', items: items.map(({tree}) => tree), site}, items);
    }
    if (isMap(node)) {
      const values: Weighed[] = [];
      const entries = new Map<string, Entry>();
      for (const pair of node.items) {
        if (!isPair(pair)) continue;
        const key = this.#key(pair.key as Node | null, entries);
        const value = this.visit(pair.value as Node | null, level + 1);
        values.push(value);
        if (key !== undefined) {
          entries.set(key.name, {keySite: key.site, value: placed(value.tree, key.site)});
        }
      }
      return branch({kind: 'map', entries, site}, values);
    }
    if (!isScalar(node)) return leaf(site, null, '');
    return this.#scalar(node.value, node.source ?? '', site);
  }

  #scalar(value: unknown, written: string, site: Site): Weighed {
    if (value === null || typeof value === 'string' || typeof value === 'boolean')
      return leaf(site, value, written);
    if (typeof value === 'number' && Number.isFinite(value)) return leaf(site, value, written);
    this.problem(site, {
      message: `${quote(written)} is not a value that a spec can hold`,
      hint: `Put it in quotes if it is meant as text: "${written}"`,
    });
    return leaf(site, null, written);
  }

  #alias(name: string, site: Site): Weighed {
    const anchor = this.#anchors.get(name);
    if (anchor !== undefined) return anchor;
    this.problem(site, {
      message: `No anchor &${name} ends above the alias *${name}`,
      hint: `Put &${name} on a value above, which does not hold *${name} itself`,
    });
    return leaf(site, null, '');
  }

  #key(
    node: Node | null,
    entries: ReadonlyMap<string, Entry>,
  ): {readonly name: string; readonly site: Site} | undefined {
    const site = this.#site(node);
    if (!isScalar(node) || node.value === null) {
      this.problem(site, {message: 'A key is one plain word', hint: 'Write `key: value`'});
      return undefined;
    }
    const name = typeof node.value === 'string' ? node.value : (node.source ?? '');
    if (name === '__proto__') {
      this.problem(site, {message: '`__proto__` cannot be a key', hint: 'Remove it'});
      return undefined;
    }
    const first = entries.get(name);
    if (first !== undefined) {
      const {line} = positionOf(first.keySite);
      this.problem(site, {
        message: `The key ${quote(name)} stands here twice, first in line ${line}`,
        hint: 'Keep one of them, or put both values under one key',
      });
      return undefined;
    }
    return {name, site};
  }

  #site(node: Node | null): Site {
    const [start, end] = node?.range ?? [0, 1];
    return {source: this.#source, start, end};
  }
}

/** A value that was left out stands where its key stands. */
function placed(tree: Tree, site: Site): Tree {
  return tree.kind === 'scalar' && tree.value === null && tree.written === '' ? {...tree, site} : tree;
}

function leaf(site: Site, value: string | number | boolean | null, written: string): Weighed {
  return {tree: {kind: 'scalar', value, written, site}, values: 1, levels: 1};
}

function branch(tree: Tree, children: readonly Weighed[]): Weighed {
  let values = 1;
  let levels = 0;
  for (const one of children) {
    values += one.values;
    levels = Math.max(levels, one.levels);
  }
  return {tree, values, levels: levels + 1};
}
