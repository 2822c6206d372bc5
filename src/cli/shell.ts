import {existsSync} from 'node:fs';
import {join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {type ExitCode, FgError} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import type {StageNode} from '../plan/graph.ts';
import {namedTree} from '../plan/named-tree.ts';
import {keptPath} from '../run/kept-work.ts';
import {type Peeked, peekGraph} from '../run/peek.ts';
import {runThrowAway} from '../run/throw-away.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import {formatCommand} from '../ui/format.ts';
import {openSession, refuseUserNamespace, type Session, type SessionOptions} from './session.ts';

export interface ShellOptions {
  /** As of the build whose tree it is. */
  readonly session: SessionOptions;
  /** `<image>`, `<image>:<stage>` or the id of a stage. */
  readonly tree: string;
  /** Empty: a shell. */
  readonly command: readonly string[];
  readonly network: boolean;
}

/**
 * `fgimage shell`: a shell, or a command, in a throw-away overlay of an image's tree as it lies in the cache. Gives the
 * exit code of what ran. Throws `FgError` for a tree that the plan does not have, or that is not in the cache.
 */
export async function runShell(options: ShellOptions): Promise<ExitCode> {
  process.umask(0o022);
  const cache = cacheFolder(options.session.cacheDir);
  const session = await openSession(
    {...options.session, offline: true, test: false},
    {look: false, warn: () => undefined},
  );
  const {store} = session;
  try {
    const digests = await treeDigests(options, session);
    if (!isRoot()) {
      store.close();
      if (!canEnterUserNamespace()) await refuseUserNamespace(cache);
      return (await enterUserNamespace()) as ExitCode;
    }
    store.sweep();
    const run = store.openRun();
    try {
      store.lease(run, digests);
      const gone = digests.find((digest) => !store.hasContent(digest));
      if (gone !== undefined) throw notThere(options, `its layer ${gone.slice(0, 12)} was just removed`);
      const {tree: label, command, network} = options;
      const trees = digests.map((digest) => store.treePath(digest));
      return (await runThrowAway({
        layout: store.layout,
        work: run.path,
        trees,
        label,
        command,
        network,
      })) as ExitCode;
    } finally {
      store.closeRun(run);
    }
  } finally {
    store.close();
  }
}

/** Output digests of the layers of the tree that is asked for, the lowest first. */
async function treeDigests(
  options: ShellOptions,
  {store, resolve, plan: {nodes}}: Session,
): Promise<readonly string[]> {
  const tree = namedTree(nodes, options.tree);
  const needed = withInputs(nodes, tree.layers);
  const peeked = await peekGraph({
    ...resolve,
    nodes: needed,
    // What lies here counts, whoever made it.
    trusts: () => true,
    force: () => false,
    signal: new AbortController().signal,
    wanted: (node) => tree.layers.includes(node),
  });
  const open = needed.find(({id}) => peeked.get(id)?.state !== 'hit');
  if (open !== undefined) {
    const reason = `${open.id} has to run first`;
    throw notThere(options, reason, {image: tree.image, kept: keptWork(store, open, peeked.get(open.id))});
  }
  return tree.layers.flatMap(({id}) => {
    const one = peeked.get(id);
    return one?.state === 'hit' ? [one.known.action.digest] : [];
  });
}

/** Stages and all that they depend on, in the plan's order. */
function withInputs(nodes: readonly StageNode[], wanted: readonly StageNode[]): readonly StageNode[] {
  const ids = new Set(wanted.map(({id}) => id));
  for (const node of nodes.toReversed()) if (ids.has(node.id)) for (const id of node.dependsOn) ids.add(id);
  return nodes.filter(({id}) => ids.has(id));
}

/** What the last failure of a stage left, if that was kept. */
function keptWork(store: Store, node: StageNode, peeked: Peeked | undefined): string | undefined {
  if (peeked?.state !== 'run' || peeked.resolution.state === 'refused') return undefined;
  const script = join(keptPath(store.layout, {stage: node.id, key: peeked.resolution.key}), 'rerun.sh');
  return existsSync(script) ? script : undefined;
}

function notThere(
  {tree, session: {file, cacheDir, useLock, fromScratch}}: ShellOptions,
  reason: string,
  {image = '', kept}: {readonly image?: string; readonly kept?: string | undefined} = {},
): FgError {
  const build = [
    'fgimage',
    'build',
    ...(image === '' ? [] : [image]),
    '--no-test',
    ...(file === 'fgimage.yaml' ? [] : ['--file', file]),
    ...(cacheDir === undefined ? [] : ['--cache-dir', cacheDir]),
    ...(useLock ? [] : ['--no-lock']),
    ...(fromScratch ? ['--from-scratch'] : []),
  ];
  const look =
    kept === undefined ? '' : `; what it left when it failed last: ${formatCommand([kept, 'shell'])}`;
  return new FgError('USAGE', `The tree of ${tree} is not in the cache: ${reason}`, {
    hint: `Run "${formatCommand(build)}"${look}`,
  });
}
