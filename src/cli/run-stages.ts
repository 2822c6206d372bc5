import {problemText} from '../../cache/content.ts';
import type {ExitCode} from '../errors.ts';
import type {StageNode} from '../plan/graph.ts';
import type {Delivery, Plan} from '../plan/plan.ts';
import type {StageState} from '../run/engine-options.ts';
import type {Output, RunEvent} from '../run/events.ts';
import type {ViewStream} from '../ui/view.ts';
import type {Session} from './session.ts';

/** What stages are run for, where it is not, or not only, `fgimage build`. See `runStages` of build.ts. */
export interface RunPurpose {
  /** Called before anything runs, with the whole plan; throws what is wrong with what was asked for. */
  readonly prepare?: (session: Session) => Promise<void>;
  /** The stages that are wanted of an artifact; what they depend on comes with them. */
  readonly stages: (delivery: Delivery) => readonly string[];
  /** Whether artifacts go to the output folder and into the list of images, as by `fgimage build`. */
  readonly handOut: boolean;
  /** Whether content of a stage whose outcome is known must be here too, whole: to be read by `after`. */
  readonly reads: (node: StageNode, digest: string) => boolean;
  /** Where the run is told of; standard output where it is left out. */
  readonly stream?: ViewStream;
  /**
   * Called once all stages have ended, well or not, and not where the run was cancelled; the events that it emits belong
   * to the run, which ends after it. Gives an exit code of its own, or `done`; that of a failed stage goes before it.
   */
  readonly after?: (done: RunDone) => Promise<ExitCode>;
}

export interface RunDone {
  readonly session: Session;
  /** What became of each stage, by its id. */
  readonly states: ReadonlyMap<string, StageState>;
  /** What was handed out. */
  readonly outputs: readonly Output[];
  readonly emit: (event: RunEvent) => void;
  /** Cancelled by Ctrl-C, say. */
  readonly signal: AbortSignal;
}

/** The session with a plan of no more than what is wanted. */
export function narrow(session: Session, {stages, handOut, reads}: RunPurpose): Session {
  const {plan, wanted} = session;
  return {
    ...session,
    plan: {...plan, nodes: nodesFor(plan, stages)},
    wanted: (node, digest) => reads(node, digest) || (handOut && wanted(node, digest)),
  };
}

/** What became of a stage that made something, now or earlier. */
export function madeState(
  states: ReadonlyMap<string, StageState>,
  stage: string,
): Extract<StageState, {readonly state: 'run' | 'cached'}> | undefined {
  const state = states.get(stage);
  return state?.state === 'run' || state?.state === 'cached' ? state : undefined;
}

/** Content that is to be read and is not what was made; what this run made was digested just now. */
export async function spoiltContent(
  {plan, store}: Session,
  states: ReadonlyMap<string, StageState>,
  {reads}: RunPurpose,
): Promise<readonly {readonly stage: string; readonly digest: string; readonly problem: string}[]> {
  const found = [];
  for (const node of plan.nodes) {
    const made = madeState(states, node.id);
    if (made?.state !== 'cached' || !reads(node, made.output.digest)) continue;
    const problem = await store.check(made.output.digest);
    if (problem !== undefined)
      found.push({stage: node.id, digest: made.output.digest, problem: problemText(problem)});
  }
  return found;
}

function nodesFor({nodes, deliveries}: Plan, stages: RunPurpose['stages']): readonly StageNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const found = new Set<StageNode>();
  const open = deliveries.flatMap(stages);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = byId.get(id);
    if (node === undefined || found.has(node)) continue;
    found.add(node);
    open.push(...node.dependsOn);
  }
  return nodes.filter((node) => found.has(node));
}
