import {join} from 'node:path';
import type {Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {runProcess} from '../sandbox/process.ts';
import {type Bind, cleanEnvironment} from '../sandbox/sandbox.ts';
import {tied} from './host-command.ts';
import type {StageContext} from './stage.ts';
import {commandResult, mountPoint, runInTree, sourceDateEpoch, toolsTreePath} from './tree.ts';

/** What `runTool` is asked to do. */
export interface ToolCommand {
  /** A name that the stage declares among its `tools`, or an absolute path that every root has. */
  readonly program: string;
  /** Its arguments. Paths are asked for by place, as they are others in the tools image than on the host. */
  readonly args: (at: Places) => readonly string[];
  /** Given: the program sees the stage's tree at `at('tree')`; as in `TreeCommand`. */
  readonly tree?: {
    readonly writable?: boolean;
    readonly above?: readonly string[];
    /** Paths are those of the tree. */
    readonly binds?: readonly Bind[];
  };
  /** A file that becomes standard input. */
  readonly input?: (at: Places) => string;
  /** A file that becomes standard output. */
  readonly output?: (at: Places) => string;
  /** Whether the program mounts and changes its root itself. */
  readonly mayMount?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly shown?: readonly string[];
  readonly onLine?: (line: string) => boolean;
  readonly hint?: string;
}

/** The path at which a program sees the stage's tree, or what is below its `work` and `output` folders. */
export type Places = (place: 'tree' | 'work' | 'output', ...below: readonly string[]) => string;

/**
 * Runs a program that shapes what the stage writes: that of the tools image where the stage has one, at paths that
 * tell nothing of this host; else the host's own. A non-zero exit is a failure.
 */
export function runTool(context: StageContext, request: ToolCommand): Promise<Result<void, StageFailure>> {
  return context.node.toolsFrom === undefined
    ? runOnHost(context, request)
    : runInToolsImage(context, request);
}

/** How a program is called: by its name in the tools image, by its path on the host. */
export function toolPath(context: StageContext, program: string): string {
  return context.node.toolsFrom !== undefined || program.startsWith('/') ? program : context.tool(program);
}

/** Where the tools image has the stage's folders, beside `toolsTreePath`. */
const toolsFolders = {work: '/run/fgimage/work', output: '/run/fgimage/output'} as const;

function runInToolsImage(context: StageContext, request: ToolCommand): Promise<Result<void, StageFailure>> {
  const {program, tree, mayMount} = request;
  const at = placesIn({tree: toolsTreePath, ...toolsFolders});
  const folder = (place: 'work' | 'output'): Bind => ({
    source: context[place],
    path: toolsFolders[place],
    kind: 'dir',
    mode: 'rw',
  });
  return runInTree(context, {
    ...treeRequest(request),
    inside: 'tools',
    command: commandOf(program, {request, at}),
    binds: [
      folder('work'),
      // What is written to the tree goes there: it is no folder to write to beside that.
      ...(tree?.writable === true ? [] : [folder('output')]),
      ...(tree?.binds ?? []).map((bind) => ({...bind, path: at('tree', bind.path)})),
    ],
    ...(mayMount === undefined ? {} : {mayMount}),
  });
}

async function runOnHost(context: StageContext, request: ToolCommand): Promise<Result<void, StageFailure>> {
  const {program, tree} = request;
  const at = placesIn({tree: mountPoint(context), work: context.work, output: context.output});
  const path = toolPath(context, program);
  const command = commandOf(path, {request, at});
  if (tree !== undefined)
    return runInTree(context, {...treeRequest(request), inside: 'host', command, binds: tree.binds ?? []});
  const outcome = await runProcess(tied(...command), {
    env: {...cleanEnvironment, SOURCE_DATE_EPOCH: String(sourceDateEpoch(context)), ...request.env},
    log: context.log,
    signal: context.signal,
    ...(request.onLine === undefined ? {} : {onLine: request.onLine}),
  });
  return commandResult(context, {outcome, shown: request.shown ?? command, hint: request.hint});
}

function commandOf(
  program: string,
  {request: {args, input, output}, at}: {request: ToolCommand; at: Places},
): readonly [string, ...string[]] {
  const words = args(at);
  if (input === undefined) return [program, ...words];
  if (output === undefined) return ['/bin/sh', '-c', 'exec "$@" < "$0"', input(at), program, ...words];
  const script = 'from=$0 to=$1; shift; exec "$@" < "$from" > "$to"';
  return ['/bin/sh', '-c', script, input(at), output(at), program, ...words];
}

/** What a request says of the tree and of the run, in `runInTree`'s words. */
function treeRequest({tree, env, shown, onLine, hint}: ToolCommand) {
  return {
    ...(tree?.writable === undefined ? {} : {writable: tree.writable}),
    ...(tree?.above === undefined ? {} : {above: tree.above}),
    ...(env === undefined ? {} : {env}),
    ...(shown === undefined ? {} : {shown}),
    ...(onLine === undefined ? {} : {onLine}),
    ...(hint === undefined ? {} : {hint}),
  };
}

function placesIn(paths: Readonly<Record<'tree' | 'work' | 'output', string>>): Places {
  return (place, ...below) => join(paths[place], ...below);
}
