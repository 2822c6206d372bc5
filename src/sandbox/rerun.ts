import {join, relative} from 'node:path';
import {interactiveShell, promptEnvironment} from './interactive.ts';
import type {StartedCommand} from './process.ts';
import {commandScript, need, needVariable, quote, rerunScript, type Words} from './rerun-script.ts';
import {isSandboxRequest, type SandboxSetup, sandboxCommand, type ToolsRoot} from './sandbox.ts';

/** What `rerunScripts` is told of a stage's kept work. */
export interface RerunOptions {
  /** Id of the stage. */
  readonly stage: string;
  /** The folder that the scripts lie in. */
  readonly kept: string;
  /** The cache; `kept` lies below it, and the paths of a sandbox's layers are relative to it. */
  readonly cache: string;
  /** The commands that the stage started, in their order; the last one is run again. */
  readonly commands: readonly StartedCommand[];
  /** Says, for a text that names paths, where those lie now. */
  readonly moved: (text: string) => string;
  /** Where the stage's output went, relative to the cache, when it is no longer in the folder. */
  readonly published?: {readonly from: string; readonly to: string};
}

export interface RerunScripts {
  /** Content of `rerun.sh`. */
  readonly rerun: string;
  /** Content of `command.sh`: the command alone, for whoever is in the shell. */
  readonly command: string;
}

/**
 * `rerun.sh`, for /bin/sh: runs the last command of a stage again, in a sandbox like the one it had and with the same
 * exit code, as often as one likes; `rerun.sh shell` opens a shell in there. What a rerun writes to the tree goes to an
 * overlay of its own, never into what was kept. Undefined for a stage that started no command.
 */
export function rerunScripts(options: RerunOptions): RerunScripts | undefined {
  const {commands, moved, stage, kept, cache} = options;
  const last = commands.at(-1);
  if (last === undefined) return undefined;
  const again = rerunSetup(last, options);
  const command = last.command.map(moved);
  const rerun = {
    needs: again === undefined ? [] : needs(again),
    folder: last.options.cwd ?? '/',
    words: [
      ...inEnvironment(environment(last, moved)),
      ...(again === undefined ? command : sandboxCommand(again)).map(quote),
    ],
  };
  return {
    rerun: rerunScript({stage, kept, cache, note: treeNote(last, options), rerun, shell: shell(options)}),
    command: commandScript(again?.command ?? command),
  };
}

/** The sandbox of a command as it is made again; undefined for a command of the host that had none. */
function rerunSetup({options: request}: StartedCommand, options: RerunOptions): SandboxSetup | undefined {
  if (!isSandboxRequest(request)) return undefined;
  const setup = movedSetup(request, options.moved);
  if (setup.writable === undefined) return setup;
  return {
    ...setup,
    lowers: isFirstWriter(request, options) ? setup.lowers : withOutput(setup, options),
    writable: freshLayer(options),
  };
}

/** A shell in the sandbox that the stage had last, over what was written there. */
function shell(options: RerunOptions): Words | undefined {
  const last = options.commands.findLast((started) => isSandboxRequest(started.options));
  if (last === undefined || !isSandboxRequest(last.options)) return undefined;
  const setup = movedSetup(last.options, options.moved);
  const own = join(options.kept, 'command.sh');
  const bind = {source: own, path: '/run/fgimage/command.sh', kind: 'file', mode: 'ro'} as const;
  const seesHost = setup.inside === 'host';
  const words = sandboxCommand({
    ...setup,
    lowers: withOutput(setup, options),
    writable: freshLayer(options),
    binds: [...(setup.binds ?? []), ...(seesHost ? [] : [bind])],
    terminal: true,
    command: interactiveShell,
  });
  const prompt = Object.entries(promptEnvironment(options.stage));
  const {values, handedOn} = environment(last, options.moved);
  const env = {
    values: [...values, ...prompt.map(([name, value]) => `${name}=${quote(value)}`)],
    handedOn: [...handedOn, 'TERM'],
  };
  return {
    needs: needs(setup),
    folder: '/',
    words: [...inEnvironment(env), ...words.map(quote)],
    says: `The command is in ${seesHost ? own : bind.path}. What is changed in the tree${treePlace(setup.inside)} is thrown away.`,
  };
}

function movedSetup(setup: SandboxSetup, moved: (text: string) => string): SandboxSetup {
  const {base, lowers, writable, mountPoint, inside, binds = [], network = false, command} = setup;
  const [program, ...rest] = command;
  return {
    base,
    lowers: lowers.map(moved),
    ...(writable === undefined ? {} : {writable: {upper: moved(writable.upper), work: moved(writable.work)}}),
    mountPoint: moved(mountPoint),
    inside: typeof inside === 'object' ? {...inside, lowers: inside.lowers.map(moved)} : inside,
    binds: binds.map((bind) => ({...bind, source: moved(bind.source)})),
    network,
    ...(setup.secrets === undefined ? {} : {secrets: setup.secrets, secretsAnew: true}),
    ...(setup.initName === undefined ? {} : {initName: setup.initName}),
    command: [moved(program), ...rest.map(moved)],
    watch: 'none',
  };
}

/** Whether no command before the last one wrote to the same layer: then it found that layer empty. */
function isFirstWriter({writable}: SandboxSetup, {commands}: RerunOptions): boolean {
  const before = commands.slice(0, -1);
  return before.every(
    ({options}) => !isSandboxRequest(options) || options.writable?.upper !== writable?.upper,
  );
}

/** The layers with, on top, the one that the command wrote to, where it lies now. */
function withOutput({lowers, writable}: SandboxSetup, {published}: RerunOptions): readonly string[] {
  if (writable === undefined) return lowers;
  return [published?.from === writable.upper ? published.to : writable.upper, ...lowers];
}

function freshLayer({kept, cache}: RerunOptions): {readonly upper: string; readonly work: string} {
  const folder = join(relative(cache, kept), 'rerun');
  return {upper: join(folder, 'upper'), work: join(folder, 'work')};
}

/** All that a command has in its environment. */
interface Environment {
  /** `NAME=value`, quoted. */
  readonly values: readonly string[];
  /** Names of what is taken from whoever runs the script, if it is there: proxies and secrets. */
  readonly handedOn: readonly string[];
}

function environment({options}: StartedCommand, moved: (text: string) => string): Environment {
  const own = Object.entries(options.env ?? {});
  const secrets = isSandboxRequest(options) ? (options.secrets ?? []) : [];
  return {
    values: own.flatMap(([name, value]) => (isCallers(name) ? [] : [`${name}=${quote(moved(value))}`])),
    handedOn: [
      ...own.flatMap(([name]) => (isCallers(name) ? [name] : [])),
      ...secrets.flatMap(({from}) => ('env' in from ? [from.env] : [])),
    ],
  };
}

/** Values that are handed on stand on no command line, which every user of the host can read. */
function inEnvironment({values, handedOn}: Environment): readonly string[] {
  return [
    ...(handedOn.length === 0 ? ['env', '-i'] : ['perl', '-e', quote(keepOnly), handedOn.join(','), 'env']),
    ...values,
  ];
}

const keepOnly =
  '%ENV = map { exists $ENV{$_} ? ($_ => $ENV{$_}) : () } split /,/, shift; exec @ARGV; die "$ARGV[0]: $!\\n"';

/** Names that are handed on from the caller: their values may hold credentials. */
function isCallers(name: string): boolean {
  return /^[a-z]+_proxy$/i.test(name);
}

/** What must be there for a sandbox to be made. */
function needs({lowers, inside, binds = [], secrets = []}: SandboxSetup): readonly string[] {
  const tools = typeof inside === 'object' ? inside.lowers : [];
  return [
    ...[...tools, ...lowers].map((lower) => need(`"$cache"/${quote(lower)}`)),
    ...binds.map(({source}) => need(quote(source))),
    ...secrets.map(({name, from}) =>
      'file' in from ? need(quote(from.file)) : needVariable(from.env, name),
    ),
  ];
}

/** Where the tree is, for a shell that does not start in it. */
function treePlace(inside: 'image' | 'host' | ToolsRoot): string {
  return typeof inside === 'object' ? `, ${inside.treePath},` : '';
}

function treeNote(last: StartedCommand, options: RerunOptions): string {
  if (!isSandboxRequest(last.options))
    return 'The command is a program of the host without a tree: it works on the files in this folder.';
  if (last.options.writable === undefined)
    return 'The command only reads its tree. Other files that it writes are in this folder.';
  return isFirstWriter(last.options, options)
    ? 'The command starts without it, as it did; what it writes now is in rerun/upper.'
    : 'Earlier commands wrote there too, so the command starts on top of it; what it writes now is in rerun/upper.';
}
