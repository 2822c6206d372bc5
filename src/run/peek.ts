import type {StageNode} from '../plan/graph.ts';
import type {KeyParts} from '../plan/key.ts';
import {type Known, keyParts, type Resolution, type ResolveOptions, resolveStage} from './resolve.ts';

/** What a build would do with a stage, as far as it can be known without running anything. */
export type Peeked =
  /** Nothing to do; `fetch`: its content comes from the remote cache, because a stage that runs needs it. */
  | {readonly state: 'hit'; readonly known: Known; readonly resolution: Resolution; readonly fetch: boolean}
  /** `purged`: its record is there, but not the content, which a stage that runs needs. */
  | {readonly state: 'run'; readonly resolution: Resolution; readonly purged?: Known}
  /** A stage that it needs runs: only then is it known whether this one runs too. `parts`: with inputs as far as known. */
  | {readonly state: 'blocked'; readonly waitsFor: string; readonly parts: KeyParts | undefined};

export interface PeekRequest extends ResolveOptions {
  readonly nodes: readonly StageNode[];
  /** Whether the content of a hit is wanted for its own sake: an artifact that was not handed out yet. */
  readonly wanted: (node: StageNode, digest: string) => boolean;
}

/** Looks at every stage of a plan in order. Reads only. */
export async function peekGraph(request: PeekRequest): Promise<ReadonlyMap<string, Peeked>> {
  const {nodes} = request;
  const peeked = new Map<string, Peeked>();
  const digests = new Map<string, string>();
  for (const node of nodes) {
    const open = node.dependsOn.find((id) => !digests.has(id));
    if (open !== undefined) {
      const upstream = peeked.get(open);
      const waitsFor = upstream?.state === 'blocked' ? upstream.waitsFor : open;
      const parts = keyParts(node, {tools: request.tools, digestOf: (id) => digests.get(id) ?? ''});
      peeked.set(node.id, {state: 'blocked', waitsFor, parts: parts.ok ? parts.value : undefined});
      continue;
    }
    const asked = resolveStage(node, (id) => digests.get(id) ?? '', request);
    const resolution = asked instanceof Promise ? await asked : asked;
    if (resolution.state !== 'known') {
      peeked.set(node.id, {state: 'run', resolution});
      continue;
    }
    digests.set(node.id, resolution.known.action.digest);
    peeked.set(node.id, {state: 'hit', known: resolution.known, resolution, fetch: false});
  }
  // Content is demanded from the end of the graph to its beginning.
  for (const node of nodes.toReversed()) {
    const now = peeked.get(node.id);
    if (now?.state === 'run') for (const id of node.dependsOn) demand(peeked, id);
    if (now?.state === 'hit' && request.wanted(node, now.known.action.digest)) {
      demand(peeked, node.id);
      if (peeked.get(node.id)?.state === 'run') for (const id of node.dependsOn) demand(peeked, id);
    }
  }
  return peeked;
}

function demand(peeked: Map<string, Peeked>, id: string): void {
  const now = peeked.get(id);
  if (now?.state !== 'hit' || now.known.content === 'local') return;
  if (now.known.content === 'remote') peeked.set(id, {...now, fetch: true});
  else peeked.set(id, {state: 'run', resolution: now.resolution, purged: now.known});
}

/** Whether a build would neither run nor fetch anything. */
export function isComplete(peeked: ReadonlyMap<string, Peeked>): boolean {
  return [...peeked.values()].every((one) => one.state === 'hit' && !one.fetch);
}
