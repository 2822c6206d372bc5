import {mkdirSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {sha256} from '../../../cache/tree.ts';
import type {Bind} from '../../sandbox/sandbox.ts';
import type {StageContext} from '../stage.ts';
import type {StepLayer} from './step-layer.ts';

/** A folder of the image that persists between builds. */
export interface StepCache {
  readonly path: string;
  /** Where it is in fgimage's cache: one for each project, system and path. */
  readonly folder: string;
}

export function stepCaches(context: StageContext, paths: readonly string[]): readonly StepCache[] {
  const {projectDir, node, store} = context;
  return paths.map((path) => {
    const digest = sha256(JSON.stringify([projectDir, node.step?.system ?? '', path]));
    const folder = join(store.layout.caches, digest.slice(0, 32));
    mkdirSync(folder, {recursive: true});
    // By this gc sees what is in use (cache/gc-leftovers.ts).
    utimesSync(folder, new Date(), new Date());
    return {path, folder};
  });
}

export function cacheBinds(caches: readonly StepCache[], layer: StepLayer): readonly Bind[] {
  return caches.map(({path, folder}) => {
    layer.mountPoint(path);
    return {source: folder, path, kind: 'dir', mode: 'rw'};
  });
}
