import {execFileSync} from 'node:child_process';
import {copyFileSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {StepRun} from '../../plan/graph.ts';
import type {Bind} from '../../sandbox/sandbox.ts';
import {requiredInput} from '../inputs.ts';
import {isOnlyImported} from '../rpm-tree.ts';
import type {StageContext} from '../stage.ts';
import {type StepLayer, scratchFolder} from './step-layer.ts';

export interface StepAptOptions {
  readonly context: StageContext;
  readonly layer: StepLayer;
  readonly run: StepRun;
  readonly network: boolean;
}

/**
 * What the image's own apt is told while a step runs, by a file in /etc/apt/apt.conf.d that is no part of the image. With
 * a network: the archives and proxies that this host has, the package lists of the build, and places for what it
 * downloads that are gone afterwards. Without one: no archives, so that it says at once what it cannot have.
 */
export function stepApt({context, layer, run, network}: StepAptOptions): readonly Bind[] {
  if (network) layer.add('etc/resolv.conf', hostFile('/etc/resolv.conf'));
  // The apt of a distribution that fgimage does not know asks its own sources.
  if (isOnlyImported(context.node)) return [];
  if (layer.below('etc/apt')?.entry.isDirectory() !== true) return [];
  const lines = [...commonConfig, ...(network ? [...onlineConfig, ...aptProxies()] : offlineConfig)];
  layer.add(configFile, `${lines.join('\n')}\n`);
  if (!network) return [];
  layer.add(sourcesFile, `${(run.aptSources ?? []).join('\n')}\n`);
  const lists = scratchFolder(context, 'step-lists');
  if (run.lists !== undefined) {
    const from = join(requiredInput(context, run.lists).path, 'lists');
    for (const entry of readdirSync(from, {withFileTypes: true}))
      if (entry.isFile()) copyFileSync(join(from, entry.name), join(lists, entry.name));
  }
  scratchFolder(context, 'step-lists/partial');
  scratchFolder(context, 'step-archives/partial');
  const binds: readonly Bind[] = [
    {source: lists, path: '/var/lib/apt/lists', kind: 'dir', mode: 'rw'},
    {source: scratchFolder(context, 'step-archives'), path: archivesPath, kind: 'dir', mode: 'rw'},
  ];
  // A step may keep what it downloads, by a cache of its own.
  return binds.filter(({path}) => !run.caches.includes(path));
}

/** What dpkg, apt and ldconfig note down of the moment: it would make every layer another one. */
export const momentFiles: readonly string[] = [
  'var/log/dpkg.log',
  'var/log/alternatives.log',
  'var/log/apt/history.log',
  'var/log/apt/term.log',
  'var/log/apt/eipp.log.xz',
  'var/cache/apt/pkgcache.bin',
  'var/cache/apt/srcpkgcache.bin',
  'var/cache/ldconfig/aux-cache',
];

const archivesPath = '/var/cache/apt/archives';
const configFile = 'etc/apt/apt.conf.d/99fgimage-step';
const sourcesFile = 'etc/apt/fgimage-step.list';

/** apt.conf(5). The user _apt, and locks on folders of this host, are not to be had in every user namespace. */
const commonConfig: readonly string[] = [
  'APT::Sandbox::User "";',
  'Dir::Cache::pkgcache "";',
  'Dir::Cache::srcpkgcache "";',
  'Dpkg::Use-Pty "false";',
  'DPkg::Options { "--force-unsafe-io"; "--force-confdef"; "--force-confold"; };',
];
const onlineConfig: readonly string[] = [
  `Dir::Etc::SourceList "/${sourcesFile}";`,
  'Acquire::Languages "none";',
  'Acquire::Retries "2";',
];
const offlineConfig: readonly string[] = ['Dir::Etc::SourceList "/dev/null";', 'Acquire::Retries "0";'];

/** The proxies of the host's apt; those of the environment reach the step by its environment. */
function aptProxies(): readonly string[] {
  const names = ['http', 'https'].map((scheme) => `Acquire::${scheme}::Proxy`);
  try {
    const lines = execFileSync('apt-config', ['dump', ...names], {encoding: 'utf8'}).split('\n');
    return lines.filter((line) => names.some((name) => line.startsWith(`${name} `)));
  } catch {
    return []; // A host without apt.
  }
}

/** A file of the host; empty where there is none. */
export function hostFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
