import type {RemoteCache, RemoteHit} from '../../cache/remote/remote-cache.ts';
import type {Eviction, Store, StoredAction} from '../../cache/store.ts';
import {lockFileName} from '../lock/lock.ts';
import type {StageNode} from '../plan/graph.ts';
import {type KeyParts, type StageKey, stageKey} from '../plan/key.ts';
import type {StageFailure} from './events.ts';
import type {HostTools} from './tools.ts';

/** A stage's key and what is known of it: the same for `plan`, which only looks, and for `build`. */
export type Resolution =
  | {readonly state: 'known'; readonly key: StageKey; readonly parts: KeyParts; readonly known: Known}
  | {readonly state: 'missing'; readonly key: StageKey; readonly parts: KeyParts; readonly because: Missing}
  | {readonly state: 'refused'; readonly failure: StageFailure};

/** What a key gave, and where its content is. */
export interface Known {
  readonly action: StoredAction;
  /** `gone`: only what it was is known; a stage that needs the content has it made again. */
  readonly content: 'local' | 'remote' | 'gone';
  readonly hit?: RemoteHit;
  readonly evicted?: Eviction;
}

/** Why a key gives nothing. */
type Missing = 'no-record' | 'not-durable' | 'untrusted' | 'forced' | 'cache-off';

export interface ResolveOptions {
  readonly store: Store;
  readonly tools: HostTools;
  readonly remote?: RemoteCache | undefined;
  /** Whether records are read at all (`--no-cache`). */
  readonly readCache: boolean;
  readonly force: (node: StageNode) => boolean;
  /** Whether a record that came from a remote cache counts: whose signing keys this build trusts. */
  readonly trusts: (keyId: string) => boolean;
  readonly signal: AbortSignal;
}

/**
 * Finds out what is known of a stage whose inputs' digests are known. Gives a promise only when a remote cache is asked:
 * a plan of a thousand hits is not to wait a thousand times.
 */
export function resolveStage(
  node: StageNode,
  digestOf: (stage: string) => string,
  options: ResolveOptions,
): Resolution | Promise<Resolution> {
  const made = keyParts(node, {tools: options.tools, digestOf});
  if (!made.ok) return {state: 'refused', failure: made.failure};
  const parts = made.value;
  const key = stageKey(parts);
  const missing = (because: Missing): Resolution => ({state: 'missing', key, parts, because});
  if (options.force(node)) return missing('forced');
  if (!options.readCache) return missing('cache-off');
  const found = options.store.find(key);
  if (found.state === 'known' && (found.signedBy === undefined || options.trusts(found.signedBy))) {
    const {action, evicted} = found;
    const content = found.present ? 'local' : 'gone';
    return {
      state: 'known',
      key,
      parts,
      known: {action, content, ...(evicted === undefined ? {} : {evicted})},
    };
  }
  const nothing = {known: 'untrusted', 'not-durable': 'not-durable', absent: 'no-record'} as const;
  if (options.remote === undefined) return missing(nothing[found.state]);
  return options.remote.lookup(key, options.signal).then((hit) => {
    if (hit === undefined) return missing(nothing[found.state]);
    return {state: 'known', key, parts, known: {action: hit.record, content: 'remote', hit}};
  });
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
  const {kind, version, params, files, environment, salt, notes} = node;
  // As where a stage's own resolving stands in the place of the package lists (docs/decisions/0009).
  const lock = node.locked === undefined ? [] : [[lockFileName, ''] as const];
  const inputs = [...lock, ...node.dependsOn.map((id) => [id, digestOf(id)] as const)];
  return {
    ok: true,
    value: {
      kind,
      version,
      params,
      inputs,
      files,
      tools: identities,
      environment,
      ...(salt === undefined ? {} : {salt}),
      ...(notes === undefined ? {} : {notes}),
    },
  };
}
