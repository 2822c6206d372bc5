import type {Store} from '../../cache/store.ts';
import type {StageNode} from '../plan/graph.ts';
import {type KeyParts, stageKey} from '../plan/key.ts';
import type {StageFailure} from './events.ts';
import type {HostTools} from './tools.ts';

/** What the cache knows of a plan, without running anything. */
export interface PeekRequest {
  readonly nodes: readonly StageNode[];
  readonly store: Store;
  readonly tools: HostTools;
}

/** Whether every stage is a hit, so that nothing would run. Reads only. */
export function isComplete({nodes, store, tools}: PeekRequest): boolean {
  const digests = new Map<string, string>();
  for (const node of nodes) {
    const parts = keyParts(node, {tools, digestOf: (id) => digests.get(id) ?? ''});
    const record = parts.ok ? store.lookup(stageKey(parts.value)) : undefined;
    if (record === undefined) return false;
    digests.set(node.id, record.digest);
  }
  return true;
}

/** Output folders of the archive stages that are in the cache, by stage id. Reads only. */
export function archivePaths({nodes, store, tools}: PeekRequest): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const node of nodes) {
    if (node.kind !== 'archive') continue;
    const parts = keyParts(node, {tools, digestOf: () => ''});
    const record = parts.ok ? store.lookup(stageKey(parts.value)) : undefined;
    if (record !== undefined) paths.set(node.id, store.treePath(record.digest));
  }
  return paths;
}

/** What a stage's key is made of, or the program that the host lacks for it. */
export function keyParts(
  node: StageNode,
  {tools, digestOf}: {tools: HostTools; digestOf: (stage: string) => string},
): {ok: true; value: KeyParts} | {ok: false; failure: StageFailure} {
  const identities: Record<string, string> = {};
  for (const name of node.tools) {
    const tool = tools.find(name);
    if (tool === undefined) {
      return {
        ok: false,
        failure: {
          reason: 'tool-missing',
          tool: name,
          hint: 'Run "fgimage doctor --install" to get what this host lacks',
        },
      };
    }
    identities[name] = tool.identity;
  }
  const {kind, version, params, files} = node;
  const inputs = node.dependsOn.map((id) => [id, digestOf(id)] as const);
  return {ok: true, value: {kind, version, params, inputs, files, tools: identities}};
}
