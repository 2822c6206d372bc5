import {type ExitCode, exitCode} from '../errors.ts';
import type {Reason} from '../plan/explain.ts';
import type {StageNode} from '../plan/graph.ts';
import {isOnline} from '../plan/provision-parts.ts';
import type {BaseChoice} from '../run/base-choice.ts';
import {estimateMs, typicalDurations} from '../run/estimates.ts';
import type {Peeked} from '../run/peek.ts';
import {reasonsOf} from '../run/reasons.ts';
import {formatCount, formatDuration} from '../ui/format.ts';
import {formatReason} from '../ui/reasons.ts';
import {createStyle} from '../ui/style.ts';
import {type Cell, formatTable} from '../ui/table.ts';
import {basesText, plannedBases} from './plan-bases.ts';
import {openSession, peekSession, type Session, type SessionOptions} from './session.ts';
import {specLocator} from './spec.ts';

export interface PlanOptions extends SessionOptions {
  readonly json: boolean;
  /** Whether work to do is exit code 10 instead of 0. */
  readonly detailedExitCode: boolean;
}

/** A stage as the plan tells it. */
export interface PlannedStage {
  readonly node: StageNode;
  /** `blocked`: a stage that it needs runs first, and only then is it known whether this one runs; or the host lacks a tool. */
  readonly state: 'hit' | 'run' | 'blocked';
  readonly peeked: Peeked;
  /** Why it is not a hit, what tells most first. */
  readonly reasons: readonly Reason[];
  /** How long it takes when it runs. */
  readonly estimateMs: number;
}

/** `fgimage plan`: what a build would do, without doing or writing anything. */
export async function runPlan(options: PlanOptions): Promise<ExitCode> {
  const session = await openSession(options, {look: true, warn: warnOnStderr});
  try {
    const stages = await planStages(session);
    const bases = plannedBases(session, new Map(stages.map(({node, peeked}) => [node.id, peeked])));
    process.stdout.write(options.json ? planJson(session, stages, bases) : planText(session, stages, bases));
    const work = stages.some(({state, peeked}) => state !== 'hit' || isFetched(peeked));
    return options.detailedExitCode && work ? exitCode.planHasWork : exitCode.done;
  } finally {
    session.store.close();
  }
}

export function warnOnStderr(message: string, hint?: string): void {
  process.stderr.write(`warning: ${message}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`);
}

/** Looks at every stage of a session's plan. */
export async function planStages(session: Session): Promise<readonly PlannedStage[]> {
  const {plan, spec, store} = session;
  const peeked = await peekSession(session, new AbortController().signal);
  const durations = typicalDurations(
    store.database,
    plan.nodes.map(({id}) => id),
  );
  const allHit = [...peeked.values()].every(({state}) => state === 'hit');
  const locate = allHit ? () => undefined : await specLocator(spec);
  return plan.nodes.map((node) => {
    const one = peeked.get(node.id);
    if (one === undefined) throw new Error(`The plan lost stage ${node.id}`);
    return {
      node,
      state: stateOf(one),
      peeked: one,
      reasons: reasonsOf(node, one, {store, file: spec.file, locate}),
      estimateMs: estimateMs(node.id, node.kind, durations),
    };
  });
}

function stateOf(peeked: Peeked): PlannedStage['state'] {
  return peeked.state === 'run' && peeked.resolution.state === 'refused' ? 'blocked' : peeked.state;
}

function isFetched(peeked: Peeked): boolean {
  return peeked.state === 'hit' && peeked.fetch;
}

function planText({spec}: Session, stages: readonly PlannedStage[], bases: readonly BaseChoice[]): string {
  const style = createStyle(process.stdout.isTTY && process.env['NO_COLOR'] === undefined);
  const paint = {hit: style.green, run: style.yellow, blocked: style.dim};
  const rows = stages.map(({node, state, peeked, reasons, estimateMs: ms}): readonly Cell[] => {
    const [first, ...others] = reasons.map(formatReason);
    const more = others.length === 0 ? '' : ` (and ${formatCount(others.length, 'other reason')})`;
    const fetched = isFetched(peeked) ? 'content comes from the remote cache' : '';
    return [
      {text: state, style: paint[state]},
      {text: node.id},
      {text: state === 'hit' ? '' : `~${formatDuration(ms)}`, align: 'right'},
      {text: first === undefined ? fetched : `${first}${more}`},
    ];
  });
  const lines = [...formatTable(rows), ...basesText(bases), ...onlineText(stages)];
  return `${spec.file}\n${lines.join('\n')}\n${summary(stages)}\n`;
}

/** What no key and no lock can promise. */
function onlineText(stages: readonly PlannedStage[]): readonly string[] {
  return stages
    .filter(({node}) => isOnline(node))
    .map(({node}) => `not reproducible: ${node.id} has a network, and may give something else each time`);
}

function summary(stages: readonly PlannedStage[]): string {
  const count = (state: PlannedStage['state']): number =>
    stages.filter((stage) => stage.state === state).length;
  if (count('hit') === stages.length)
    return `Nothing to do: all ${formatCount(stages.length, 'stage')} are in the cache`;
  const parts = [`${formatCount(count('run'), 'stage')} to run`, `${String(count('hit'))} in the cache`];
  if (count('blocked') > 0) parts.push(`${String(count('blocked'))} blocked until those below them are done`);
  return `${parts.join(', ')}; about ${formatDuration(expectedMs(stages))} if everything that may run does`;
}

/** The longest way through what runs or may run. */
function expectedMs(stages: readonly PlannedStage[]): number {
  const ends = new Map<string, number>();
  for (const {node, state, estimateMs: ms} of stages) {
    const start = Math.max(0, ...node.dependsOn.map((id) => ends.get(id) ?? 0));
    ends.set(node.id, start + (state === 'hit' ? 0 : ms));
  }
  return Math.max(0, ...ends.values());
}

function planJson({spec}: Session, stages: readonly PlannedStage[], bases: readonly BaseChoice[]): string {
  const told = stages.map(({node, state, peeked, reasons, estimateMs: ms}) => ({
    stage: node.id,
    kind: node.kind,
    title: node.title,
    ...(node.image === undefined ? {} : {image: node.image}),
    ...(node.target === undefined ? {} : {target: node.target}),
    depends_on: node.dependsOn,
    state,
    ...keyOf(peeked),
    ...(isOnline(node) ? {reproducible: false} : {}),
    reasons,
    ...(state === 'hit' ? {fetch: isFetched(peeked)} : {estimate_ms: Math.round(ms)}),
  }));
  const body = {
    version: 1,
    file: spec.file,
    expected_ms: Math.round(expectedMs(stages)),
    stages: told,
    ...(bases.length === 0 ? {} : {bases}),
  };
  return `${JSON.stringify(body, undefined, 2)}\n`;
}

function keyOf(peeked: Peeked): {key?: string; digest?: string} {
  if (peeked.state === 'hit') return {key: peeked.known.action.key, digest: peeked.known.action.digest};
  if (peeked.state === 'blocked' || peeked.resolution.state === 'refused') return {};
  return {key: peeked.resolution.key};
}
