import {lstatSync} from 'node:fs';
import {join} from 'node:path';
import type {Expected} from '../plan/vet-node.ts';
import {accountsOf} from './accounts.ts';
import {capabilityWords} from './capabilities.ts';
import {dpkgStatus, type Look} from './check.ts';
import {checks} from './checks.ts';
import {checkNames, type Finding, type Findings, findingsVersion, type Remark} from './finding.ts';
import {PackagedFiles, type RpmFiles} from './packages.ts';
import {type Entry, VettedTree} from './tree.ts';

export interface VetRequest {
  /** The folder that the tree is mounted at. */
  readonly root: string;
  readonly expected: Expected;
  /** Folders of the layers that the tree is made of, the lowest first, as many as `expected.packaged`. */
  readonly layers: readonly string[];
  /** Extended attributes, `name=hex`, by path relative to the tree. */
  readonly xattrs: ReadonlyMap<string, readonly string[]>;
  readonly strangers: Look['strangers'];
  readonly database?: Look['database'];
  /** The database of packages in the tree, where it is rpm's. */
  readonly rpmFiles?: RpmFiles;
  /** Whether nothing is known of its packages and where they come from: then nothing is said of them. */
  readonly withoutPackages?: boolean;
}

/** Looks for all that should not be in a tree: one walk, in which a file is read at most once. */
export function vetTree({root, expected, layers, xattrs, strangers, ...packages}: VetRequest): Findings {
  const {rpmFiles, withoutPackages = false, database = dpkgStatus} = packages;
  const wanted = checks.filter(({name}) => !withoutPackages || name !== 'package-sources');
  const tree = new VettedTree(root);
  let now: Entry | undefined;
  let text: string | undefined;
  let isRead = false;
  const look: Look = {
    tree,
    packaged: new PackagedFiles(tree, rpmFiles),
    expected,
    users: accountsOf(tree),
    capabilities: capabilityWords(xattrs),
    isFromPackages: (path) => expected.packaged[topmost(layers, path)] ?? false,
    strangers,
    database,
    withoutPackages,
    text: () => {
      if (!isRead && now !== undefined) text = tree.text(now);
      isRead = true;
      return text;
    },
  };
  const found: Finding[] = [];
  let entries = 0;
  for (const entry of tree.entries()) {
    entries += 1;
    now = entry;
    isRead = false;
    text = undefined;
    for (const {name, entry: ask} of wanted)
      for (const remark of ask?.(entry, look) ?? []) found.push(finding(name, remark));
  }
  for (const {name, tree: ask} of wanted)
    for (const remark of ask?.(look) ?? []) found.push(finding(name, remark));
  const {files, bytes} = tree.readSoFar;
  return {
    version: findingsVersion,
    looked: {entries, read_files: files, read_bytes: bytes},
    findings: sorted(found),
  };
}

function finding(check: Finding['check'], {severity, path, detail}: Remark): Finding {
  return {check, severity, path, detail};
}

/** The place of the topmost layer that holds a path; -1 where none does. */
function topmost(layers: readonly string[], path: string): number {
  return layers.findLastIndex(
    (layer) => lstatSync(Buffer.from(join(layer, path), 'latin1'), {throwIfNoEntry: false}) !== undefined,
  );
}

function sorted(findings: readonly Finding[]): readonly Finding[] {
  const keyOf = ({check, path, detail}: Finding): string =>
    `${String(checkNames.indexOf(check)).padStart(3, '0')} ${path} ${detail}`;
  const byKey = new Map(findings.map((one) => [keyOf(one), one]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}
