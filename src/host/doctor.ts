/** What the host has and lacks. Looks and tries, changes nothing. */
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {packageRoot} from '../package-root.ts';
import {cacheFolder as defaultCacheFolder} from './cache-folder.ts';
import {currentUser} from './current-user.ts';
import {checkEmulation} from './emulation.ts';
import type {HostCheck} from './host-check.ts';
import {checkKvm} from './kvm.ts';
import {nodeVersionCheck} from './node-version.ts';
import {checkOverlay} from './overlay.ts';
import {findProgram, locate, type Need, type Requirement, readRequirements} from './requirements.ts';
import {checkSpace, existingFolder} from './space.ts';
import {checkSubordinateIds, type HostUser} from './subordinate-ids.ts';
import {checkUserNamespaces} from './user-namespaces.ts';

export type {HostCheck} from './host-check.ts';

export interface CheckHostOptions {
  /** What the host is wanted for. Absent: to build and test every target as `user`. */
  readonly needs?: readonly Need[];
  /** Absent: the user of this process. */
  readonly user?: HostUser;
  /** Absent: where the cache lies without `--cache-dir`. */
  readonly cacheFolder?: string;
}

/** Everything a build on this host needs or can use, each found or lacking, with what mends it. */
export async function checkHost(options: CheckHostOptions = {}): Promise<readonly HostCheck[]> {
  const {user = currentUser(), cacheFolder = defaultCacheFolder()} = options;
  const wanted = new Set<Need>(options.needs ?? defaultNeeds(user));
  const requirements = (await readRequirements()).filter((requirement) => concerns(requirement, wanted));
  const tools = await Promise.all(requirements.map((requirement) => checkTool(requirement, wanted)));
  const unprivileged = wanted.has('unprivileged');
  return [
    systemCheck(process.platform, process.arch),
    nodeVersionCheck(process.version, await nodeEngines()),
    ...tools,
    ...(unprivileged ? await checkSubordinateIds(user) : []),
    ...(unprivileged ? await checkUserNamespaces() : []),
    ...(wanted.has('build')
      ? [
          await checkOverlay({parent: await existingFolder(cacheFolder), root: user.uid === 0}),
          await checkSpace(cacheFolder),
        ]
      : []),
    ...(wanted.has('boot-test')
      ? [await checkKvm({qemu: await findProgram('qemu-system-x86_64'), userName: user.name})]
      : []),
    ...(wanted.has('build') ? [await checkEmulation()] : []),
  ];
}

/** The packages that would mend what is lacking, sorted. */
export function missingPackages(checks: readonly HostCheck[]): readonly string[] {
  const names = checks.flatMap((check) => (check.ok || check.package === undefined ? [] : [check.package]));
  return [...new Set(names)].sort();
}

/** Whether nothing that is needed lacks. */
export function isHostReady(checks: readonly HostCheck[]): boolean {
  return checks.every(({ok, severity}) => ok || severity === 'optional');
}

/** The command that installs packages, to be told to a user or run. */
export function installCommand(packages: readonly string[]): readonly string[] {
  return ['apt-get', 'install', '--yes', '--no-install-recommends', ...packages];
}

function defaultNeeds(user: HostUser): readonly Need[] {
  const all: readonly Need[] = ['build', 'openstack', 'hpc', 'boot-test'];
  return user.uid === 0 ? all : [...all, 'unprivileged'];
}

/**
 * The compiler and what tests want are of no use to an fgimage that is installed, nor is what images of arm64 want to
 * those who make none; all else may be of use to another user or target.
 */
function concerns({needs}: Requirement, wanted: ReadonlySet<Need>): boolean {
  return needs.some((need) => !['compile', 'test', 'arm64'].includes(need) || wanted.has(need));
}

async function checkTool(requirement: Requirement, wanted: ReadonlySet<Need>): Promise<HostCheck> {
  const {name, needs, purpose} = requirement;
  const severity = needs.some((need) => wanted.has(need)) ? 'needed' : 'optional';
  const {found, lacks} = await locate(requirement);
  if (lacks === undefined) return {name, ok: true, severity, found: found ?? ''};
  return {
    name,
    ok: false,
    severity,
    found: `no ${lacks} (${purpose})`,
    mend: `sudo ${installCommand([requirement.package]).join(' ')}`,
    package: requirement.package,
  };
}

function systemCheck(platform: string, architecture: string): HostCheck {
  const check = {name: 'system', severity: 'needed', found: `${platform} ${architecture}`} as const;
  const ok = platform === 'linux' && architecture === 'x64';
  return ok ? {...check, ok} : {...check, ok, mend: 'run fgimage on Linux on an amd64 machine'};
}

async function nodeEngines(): Promise<string> {
  const text = await readFile(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(text) as {readonly engines: {readonly node: string}}).engines.node;
}
