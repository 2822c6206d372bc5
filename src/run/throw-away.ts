import {copyFileSync, existsSync, mkdirSync} from 'node:fs';
import {join, relative} from 'node:path';
import type {CacheLayout} from '../../cache/layout.ts';
import {interactiveShell, promptEnvironment, runAttached} from '../sandbox/interactive.ts';
import {cleanEnvironment, sandboxCommand} from '../sandbox/sandbox.ts';
import {hostEnvironment} from '../stages/host-command.ts';

export interface ThrowAwayOptions {
  readonly layout: CacheLayout;
  /** An empty folder of a run in the cache, for what is changed; it is the caller's to remove. */
  readonly work: string;
  /** Folders of the cache, the lowest layer first. */
  readonly trees: readonly string[];
  /** What the prompt shows. */
  readonly label: string;
  /** Empty: a shell. */
  readonly command: readonly string[];
  /** Whether the command may use the host's network and its name servers. */
  readonly network: boolean;
}

/**
 * Runs a command or a shell inside a tree, at this process's terminal, and gives its exit code. Changes go to `work`.
 * With the end of this process, in whatever way, everything in there ends.
 */
export function runThrowAway(options: ThrowAwayOptions): Promise<number> {
  const {layout, work, trees, label, command, network} = options;
  for (const name of ['upper', 'overlay', 'merged']) mkdirSync(join(work, name));
  if (network) copyNameServers(join(work, 'upper'));
  const fromCache = (path: string): string => relative(layout.root, path);
  const [program, ...words] = command;
  const {TERM: term} = process.env;
  return runAttached(
    sandboxCommand({
      base: layout.root,
      lowers: trees.map(fromCache).reverse(),
      writable: {upper: fromCache(join(work, 'upper')), work: fromCache(join(work, 'overlay'))},
      mountPoint: fromCache(join(work, 'merged')),
      inside: 'image',
      network,
      watch: '3',
      terminal: true,
      command: program === undefined ? interactiveShell : [program, ...words],
    }),
    {
      ...(network ? hostEnvironment() : cleanEnvironment),
      ...(term === undefined ? {} : {TERM: term}),
      ...promptEnvironment(label),
    },
  );
}

/** A file of its own, in the place of whatever the image has there: that may be a link that leads nowhere in here. */
function copyNameServers(upper: string): void {
  const path = '/etc/resolv.conf';
  if (!existsSync(path)) return;
  mkdirSync(join(upper, 'etc'));
  copyFileSync(path, join(upper, path));
}
