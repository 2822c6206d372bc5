import type {Store} from '../../cache/store.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import type {StageNode} from '../plan/graph.ts';
import {GraphBuilder} from '../plan/graph-builder.ts';
import {Roots} from '../plan/roots.ts';
import {type BaseUse, baseStatistics} from '../run/base-statistics.ts';
import {runGraph} from '../run/engine.ts';
import type {StageState} from '../run/engine-options.ts';
import type {RunEvent} from '../run/events.ts';
import {archiveUris} from '../run/host-archive.ts';
import {hostCapacity, Pools} from '../run/pools.ts';
import {RunScope} from '../run/scope.ts';
import {HostTools} from '../run/tools.ts';
import {cleanEnvironment} from '../sandbox/environment.ts';
import {failureDetails, failureReason} from '../ui/failure.ts';
import {formatCount, formatDuration, printable} from '../ui/format.ts';
import {cancelOnSignals} from './cancel.ts';
import {inNamespace} from './lock.ts';

export interface PrewarmOptions {
  readonly cacheDir: string | undefined;
  /** How many bases, those that were missed most often first. */
  readonly top: number;
  /** Whether package lists are asked for anew. */
  readonly refresh: boolean;
}

/** How many bases there are built where nothing is said. */
export const usualTop = 3;

/**
 * `fgimage prewarm`: makes the bases that runs of this cache wanted and did not find, the most missed first, so that the
 * next run does. It is no run of its own in the history: what it makes was missed by others.
 */
export function runPrewarm(options: PrewarmOptions): Promise<ExitCode> {
  process.umask(0o022);
  return inNamespace(options, (store) => prewarm(options, store));
}

async function prewarm({top, refresh}: PrewarmOptions, store: Store): Promise<ExitCode> {
  const missed = baseStatistics(store.database).bases.filter(({misses}) => misses > 0);
  const able = missed.filter(({os}) => os !== undefined);
  const wanted = able.slice(0, top);
  const other = missed.length - able.length;
  if (other > 0)
    write(
      `${formatCount(other, 'base')} of projects: with an import, a lock, a salt or a key of its own a base is made by a build there`,
    );
  if (wanted.length === 0) {
    write('No base was missed that could be made here');
    return exitCode.done;
  }
  using abort = cancelOnSignals(() => process.exit(exitCode.cancelled));
  const {nodes, bases} = plan(wanted, store);
  const states = await build(nodes, {store, refresh, signal: abort.signal});
  if (abort.signal.aborted) return exitCode.cancelled;
  store.flush();
  let failed = 0;
  for (const [index, id] of bases.entries()) {
    const state = states.get(id);
    const times = `missed ${formatCount(wanted[index]?.misses ?? 0, 'time')}`;
    if (state?.state === 'cached') write(`${id}: in the cache already, ${times}`);
    else if (state?.state === 'run') write(`${id}: made in ${formatDuration(state.durationMs)}, ${times}`);
    else failed += 1;
  }
  for (const [id, state] of states) if (state.state === 'failed') tellFailure(id, state);
  if (failed > 0) throw new FgError('STAGE_FAILED', `${formatCount(failed, 'base')} could not be made`);
  return exitCode.done;
}

/** The stages of bases as a build has them, without a project. */
function plan(
  wanted: readonly BaseUse[],
  store: Store,
): {readonly nodes: readonly StageNode[]; readonly bases: readonly string[]} {
  const graph = new GraphBuilder({projectDir: '/', environment: cleanEnvironment});
  const roots = new Roots(graph, {archiveOf: (os) => archiveUris(os, store)});
  const bases = wanted.flatMap(({os}) => (os === undefined ? [] : [roots.base(os)]));
  return {nodes: graph.nodes, bases};
}

async function build(
  nodes: readonly StageNode[],
  {store, refresh, signal}: {readonly store: Store; readonly refresh: boolean; readonly signal: AbortSignal},
): Promise<ReadonlyMap<string, StageState>> {
  const scope = new RunScope(store);
  try {
    return await runGraph({
      nodes,
      store,
      scope,
      tools: new HostTools(store),
      projectDir: scope.folder.path,
      hasChanged: () => false,
      emit: (event: RunEvent) => {
        if (event.type === 'stage-started') write(`${event.stage}: started`);
      },
      signal,
      pools: new Pools(hostCapacity({jobs: undefined, pools: {}})),
      fail: 'continue',
      force: ({kind}) => refresh && kind === 'archive',
      readCache: true,
      trusts: () => false,
      failedBefore: () => false,
      wanted: ({kind}) => kind === 'base',
      estimateMs: () => 1000,
      lastDigest: () => undefined,
      reasonsFor: () => Promise.resolve([]),
      keepWork: 'never',
      gate: () => Promise.resolve(undefined),
    });
  } finally {
    scope.close();
  }
}

function tellFailure(id: string, {failure}: Extract<StageState, {state: 'failed'}>): void {
  const lines = [`${id} failed: ${failureReason(failure)}`, ...failureDetails({failure})];
  process.stderr.write(`${lines.map(printable).join('\n  ')}\n`);
}

function write(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}
