import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {isMap, isNode, isPair, isScalar, isSeq, LineCounter, type Node, parseAllDocuments} from 'yaml';

/** A word of a YAML file, with the line that it is in. */
export interface Named {
  readonly name: string;
  readonly line: number;
}

/** What a file of plays or tasks names, as far as its text tells. */
export interface PlayFile {
  /** Host patterns of its plays, one list a play. */
  readonly hosts: readonly (readonly string[])[];
  readonly roles: readonly Named[];
  readonly playbooks: readonly Named[];
  /** All other texts, with the key that they stand below. */
  readonly texts: readonly {readonly key: string; readonly text: string}[];
  /** Whether a task makes groups or hosts while the plays run: whose variables are read, the text does not tell. */
  readonly makesGroups: boolean;
  /** Whether it names collections to look for roles in. */
  readonly hasCollections: boolean;
  /** Where it is no YAML: `4:3: why`. */
  readonly problem?: string;
}

/** Keys that take another playbook, role or file, without the collection that they are of. */
const roleKeys: ReadonlySet<string> = new Set(['include_role', 'import_role']);
const groupKeys: ReadonlySet<string> = new Set(['group_by', 'add_host']);

/**
 * Reads a playbook, a file of tasks or a role's meta/main.yml
 * (https://docs.ansible.com/ansible/latest/reference_appendices/playbooks_keywords.html). Tags of Ansible's own (!vault,
 * !unsafe) are passed over.
 */
export function readPlays(projectDir: string, path: string): PlayFile {
  const counter = new LineCounter();
  const text = readFileSync(join(projectDir, path), 'utf8');
  const documents = parseAllDocuments(text, {lineCounter: counter, uniqueKeys: false, logLevel: 'error'});
  const reading = new Reading((node) => (node.range == null ? 1 : counter.linePos(node.range[0]).line));
  for (const document of Array.isArray(documents) ? documents : []) {
    const [error] = document.errors;
    if (error !== undefined) {
      const at = error.linePos?.[0];
      const [why = ''] = error.message.split(' at line ');
      reading.problem = `${String(at?.line ?? 1)}:${String(at?.col ?? 1)}: ${why}`;
      return reading;
    }
    reading.value(document.contents, '');
  }
  return reading;
}

class Reading implements PlayFile {
  readonly hosts: (readonly string[])[] = [];
  readonly roles: Named[] = [];
  readonly playbooks: Named[] = [];
  readonly texts: {key: string; text: string}[] = [];
  makesGroups = false;
  hasCollections = false;
  problem?: string;
  readonly #lineOf: (node: Node) => number;

  constructor(lineOf: (node: Node) => number) {
    this.#lineOf = lineOf;
  }

  value(node: unknown, key: string): void {
    if (isSeq(node)) for (const item of node.items) this.value(item, key);
    else if (isMap(node)) {
      const isPlay = node.has('hosts');
      for (const pair of node.items) this.#entry(pair, isPlay);
    } else if (isScalar(node) && typeof node.value === 'string') this.texts.push({key, text: node.value});
  }

  #entry(pair: unknown, isPlay: boolean): void {
    if (!isPair(pair)) return;
    const written = isScalar(pair.key) ? String(pair.key.value) : '';
    const key = written.replace(/^ansible\.(builtin|legacy)\./, '');
    this.makesGroups ||= groupKeys.has(key);
    this.hasCollections ||= key === 'collections';
    if (isPlay && key === 'hosts') this.hosts.push(words(pair.value));
    if ((isPlay && key === 'roles') || key === 'dependencies') this.#roleList(pair.value);
    if (roleKeys.has(key)) this.#role(isMap(pair.value) ? pair.value.get('name', true) : pair.value);
    if (key === 'import_playbook' && isScalar(pair.value)) this.#note(this.playbooks, pair.value);
    this.value(pair.value, key);
  }

  #roleList(list: unknown): void {
    if (!isSeq(list)) return;
    for (const item of list.items)
      this.#role(isMap(item) ? (item.get('role', true) ?? item.get('name', true)) : item);
  }

  #role(node: unknown): void {
    if (isScalar(node)) this.#note(this.roles, node);
  }

  #note(list: Named[], node: Node & {readonly value: unknown}): void {
    if (typeof node.value !== 'string') return;
    // The old way to write arguments: `import_role: name=web`.
    const name = /(?:^|\s)name=(?<name>\S+)/.exec(node.value)?.groups?.['name'] ?? node.value;
    list.push({name, line: this.#lineOf(node)});
  }
}

function words(node: unknown): readonly string[] {
  const items = isSeq(node) ? node.items : [node];
  return items.flatMap((item) =>
    isNode(item) && isScalar(item)
      ? String(item.value)
          .split(/[,:]/)
          .map((one) => one.trim())
      : [],
  );
}
