import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {digestFile} from '../../cache/tree.ts';
import {provenanceFile} from '../attest/provenance.ts';
import {type CompareOptions, describeTrees, type InsideDifference} from './files.ts';
import type {FreshStage} from './fresh-build.ts';
import {parseManifest} from './manifests.ts';

/** What became of a stage that was run again. */
export interface StageVerdict {
  readonly stage: string;
  readonly key: string;
  /**
   * `differs`: the same key gave something else. `follows`: it is made of something that differs, and does too.
   * `unrecorded`: nothing is known of its key, though all that it is made of is the same.
   */
  readonly verdict: 'same' | 'differs' | 'follows' | 'unrecorded';
  /** Output digests: as recorded, and of now. */
  readonly was?: string;
  readonly is: string;
}

/** What is known of the first build. */
export interface Recorded {
  /** What a key gave. */
  readonly ofKey: (key: string) => string | undefined;
  /** What a stage gave when the artifact was made. */
  readonly ofStage: (stage: string) => string | undefined;
}

/**
 * Holds the stages of a fresh build, in the order of the graph, against what is recorded. A stage that is made of
 * something else, and gave the same nevertheless, ends the wave.
 */
export function judgeStages(stages: readonly FreshStage[], recorded: Recorded): readonly StageVerdict[] {
  const other = new Set<string>();
  return stages.map(({stage, dependsOn, key, digest}): StageVerdict => {
    const ofKey = recorded.ofKey(key);
    const follows = ofKey === undefined && dependsOn.some((input) => other.has(input));
    const was = follows ? recorded.ofStage(stage) : ofKey;
    if (was !== digest) other.add(stage);
    const verdict =
      was === digest ? 'same' : follows ? 'follows' : was === undefined ? 'unrecorded' : 'differs';
    return {stage, key, verdict, ...(was === undefined ? {} : {was}), is: digest};
  });
}

/** A file of an artifact and what it was. */
export interface ArtifactVerdict {
  readonly path: string;
  /** SHA-256; absent where one side has no such file. */
  readonly was?: string;
  readonly is?: string;
}

interface ListedFile {
  readonly path: string;
  readonly sha256: string;
}

/** What manifest.json of an artifact that was handed out lists: all but the document that tells of the build itself. */
export function listedFiles(folder: string): readonly ListedFile[] | undefined {
  const path = join(folder, 'manifest.json');
  if (!existsSync(path)) return undefined;
  const told = JSON.parse(readFileSync(path, 'utf8')) as Partial<Record<'files' | 'documents', ListedFile[]>>;
  return [...(told.files ?? []), ...(told.documents ?? [])].filter((file) => file.path !== provenanceFile);
}

/** The same files with the digests of their bytes as they are now: somebody may have written into them. */
export function actualFiles(folder: string, listed: readonly ListedFile[]): readonly ListedFile[] {
  return listed
    .filter(({path}) => existsSync(join(folder, path)))
    .map(({path}) => ({path, sha256: digestFile(join(folder, path))}));
}

export function judgeArtifacts(
  was: readonly ListedFile[],
  is: readonly ListedFile[],
): readonly ArtifactVerdict[] {
  const [before, after] = [was, is].map((files) => new Map(files.map(({path, sha256}) => [path, sha256])));
  return [...new Set([...(before?.keys() ?? []), ...(after?.keys() ?? [])])].sort().map((path) => {
    const [old, now] = [before?.get(path), after?.get(path)];
    return {path, ...(old === undefined ? {} : {was: old}), ...(now === undefined ? {} : {is: now})};
  });
}

/** What differs in what a stage gave; undefined where the content of one of both is gone. */
export async function compareObjects(
  objects: {readonly was: string; readonly is: string},
  options: CompareOptions,
): Promise<(InsideDifference & {readonly trees: {readonly was: string; readonly is: string}}) | undefined> {
  const {was, is} = objects;
  if (![was, is].every((object) => existsSync(join(object, 'manifest')))) return undefined;
  const [before, after] = [was, is].map((object) =>
    parseManifest(readFileSync(join(object, 'manifest'), 'utf8')),
  );
  if (before === undefined || after === undefined) throw new Error('Two objects have given no two trees');
  const trees = {was: join(was, 'tree'), is: join(is, 'tree')};
  const described = await describeTrees({before, after}, {a: trees.was, b: trees.is}, options);
  return {what: 'the tree', ...described, trees};
}
