import {type ExitCode, exitCode, FgError} from '../errors.ts';
import type {Reason} from '../plan/explain.ts';
import {formatGraph, type GraphFormat, graphFormats} from '../plan/graph-format.ts';
import {nearestInput, type StageInput, shortestPath} from '../plan/why.ts';
import {resolveRun} from '../run/history.ts';
import {differences, reasonsOf} from '../run/reasons.ts';
import {stageByName} from '../run/stage-name.ts';
import {formatTime, printable} from '../ui/format.ts';
import {formatReason} from '../ui/reasons.ts';
import {type PlannedStage, planStages, warnOnStderr} from './plan.ts';
import {openSession, type Session, type SessionOptions} from './session.ts';
import {specLocator} from './spec.ts';

export interface ExplainOptions extends SessionOptions {
  /** A stage's id, or a part of it that no other has. */
  readonly stage: string;
  /** Id of a run, or the beginning of it; absent: the last run that came to the stage. */
  readonly against: string | undefined;
  readonly json: boolean;
}

/** `fgimage explain`: why a stage would run, down to what changed. */
export async function runExplain(options: ExplainOptions): Promise<ExitCode> {
  return looking(options, async (session) => {
    const stages = await planStages(session);
    const id = stageByName(
      options.stage,
      stages.map(({node}) => node.id),
    );
    const stage = stages.find(({node}) => node.id === id);
    if (stage === undefined) throw new Error(`The plan lost stage ${id}`);
    const reasons = await explain(session, stage, options.against);
    if (options.json) {
      const body = {version: 1, stage: id, state: stage.state, reasons};
      process.stdout.write(`${JSON.stringify(body, undefined, 2)}\n`);
      return;
    }
    process.stdout.write(
      `${[headline(session, stage, options.against), ...reasons.map((one) => `  ${formatReason(one)}`)].join('\n')}\n`,
    );
  });
}

async function explain(
  {store, spec}: Session,
  {node, peeked}: PlannedStage,
  againstRun: string | undefined,
): Promise<readonly Reason[]> {
  const locate = await specLocator(spec);
  const against = againstRun === undefined ? undefined : resolveRun(store.database, againstRun);
  const sources = {store, file: spec.file, locate, against};
  if (against === undefined) return reasonsOf(node, peeked, sources);
  const resolution = peeked.state === 'blocked' ? undefined : peeked.resolution;
  if (resolution === undefined || resolution.state === 'refused') return reasonsOf(node, peeked, sources);
  const found = differences(node, resolution, sources);
  return found.filter(({reason}) => reason !== 'no-record');
}

function headline(
  {store}: Session,
  {node, state, peeked}: PlannedStage,
  againstRun: string | undefined,
): string {
  if (againstRun !== undefined) {
    const run = resolveRun(store.database, againstRun);
    return `${node.id} against run ${run.id.slice(0, 8)} of ${formatTime(run.startedAt)}:`;
  }
  switch (state) {
    case 'hit': {
      const at = peeked.state === 'hit' ? ` since ${formatTime(peeked.known.action.startedAt)}` : '';
      return `${node.id} is in the cache${at}: nothing that it is made of has changed`;
    }
    case 'run':
      return `${node.id} would run:`;
    case 'blocked':
      return `${node.id} is blocked:`;
  }
}

export interface WhyOptions extends SessionOptions {
  /** An artifact: `<image>/<target>`, an image, or a stage. */
  readonly artifact: string;
  /** A stage, file, package, tool, option or environment name. */
  readonly input: string;
}

/** `fgimage why`: the shortest way from an artifact to something that it is made of. */
export async function runWhy(options: WhyOptions): Promise<ExitCode> {
  return looking(options, ({plan}) => {
    const {nodes, deliveries} = plan;
    const named = deliveries.filter(
      ({image, target}) => options.artifact === image.name || options.artifact === `${image.name}/${target}`,
    );
    const from =
      named.length > 0
        ? named.map(({pack, test}) => test ?? pack)
        : [
            stageByName(
              options.artifact,
              nodes.map(({id}) => id),
            ),
          ];
    const path = shortestPath(nodes, from, options.input);
    if (path === undefined) {
      const similar = nearestInput(nodes, options.input);
      throw new FgError('USAGE', `${options.artifact} is not made of ${options.input}`, {
        hint: similar === undefined ? '"fgimage plan --json" lists the stages' : `Did you mean ${similar}?`,
      });
    }
    const lines = path.stages.map(
      (stage, depth) => `${'  '.repeat(depth)}${depth === 0 ? '' : '└ '}${stage}`,
    );
    const indent = '  '.repeat(path.stages.length);
    process.stdout.write(`${[...lines, `${indent}└ ${inputText(path.input)}`].join('\n')}\n`);
  });
}

function inputText(input: StageInput): string {
  switch (input.kind) {
    case 'stage':
      return `stage ${printable(input.stage)}`;
    case 'file':
      return `file ${printable(input.path)} (SHA-256 ${input.digest})`;
    case 'package':
      return `package ${printable(input.package)}`;
    case 'tool':
      return `tool ${printable(input.tool)}`;
    case 'environment':
      return `environment ${printable(input.name)}`;
    case 'option':
      return `option ${printable(input.option)}`;
  }
}

export interface GraphOptions extends SessionOptions {
  readonly format: string;
}

/** `fgimage graph`: the stages and what they need, coloured by what a build would do. */
export async function runGraphCommand(options: GraphOptions): Promise<ExitCode> {
  const format = graphFormats.find((name) => name === options.format) satisfies GraphFormat | undefined;
  if (format === undefined) {
    throw new FgError('USAGE', `--format wants one of ${graphFormats.join(', ')}, not ${options.format}`);
  }
  return looking(options, async (session) => {
    const stages = await planStages(session);
    const states = new Map(stages.map(({node, state}) => [node.id, state]));
    process.stdout.write(formatGraph(session.plan.nodes, states, format));
  });
}

async function looking(
  options: SessionOptions,
  look: (session: Session) => Promise<void> | void,
): Promise<ExitCode> {
  const session = await openSession(options, {look: true, warn: warnOnStderr});
  try {
    await look(session);
    return exitCode.done;
  } finally {
    session.store.close();
  }
}
