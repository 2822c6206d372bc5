import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {cacheLayout} from '../../cache/layout.ts';
import {debFileName, type Lock} from '../lock/lock.ts';
import {PackageStore} from '../lock/store-packages.ts';

/** Where an image is built again: nothing of the first build is there but the packages. */
export interface FreshPlace {
  readonly folder: string;
  readonly cache: string;
  readonly artifacts: string;
  /** Environment of the build. */
  readonly env: Readonly<Record<string, string>>;
  /** What the build is started by; empty: by nothing. */
  readonly by: readonly string[];
}

export interface FreshPlaceOptions {
  /** An empty folder on the file system of the cache. */
  readonly folder: string;
  /** The cache's folder of packages. */
  readonly packages: string;
  readonly lock: Lock;
  /** Whether the host's name and number of processors are others too. */
  readonly vary: boolean;
}

/**
 * Makes a cache without content and an environment that differs in all that must not count: folder of temporary files,
 * time zone, locale. Of the packages those are shared that the lock names and that have the bytes that it names.
 */
export function makeFreshPlace({folder, packages, lock, vary}: FreshPlaceOptions): FreshPlace {
  const cache = join(folder, 'cache');
  const temporary = join(folder, 'other-tmp');
  const layout = cacheLayout(cache);
  for (const made of [layout.packages, temporary]) mkdirSync(made, {recursive: true});
  sharePackages(packages, layout.packages, lock);
  return {
    folder,
    cache,
    artifacts: join(folder, 'artifacts'),
    env: {...inherited(), ...otherEnvironment(process.env), TMPDIR: temporary},
    by: vary ? otherHost() : [],
  };
}

/** Another cache would give what was built once in the place of building it; locales are set anew. */
const left = /^(?:FGIMAGE_(?:REMOTE_)?CACHE|FGIMAGE_FAILED_SINCE|LC_|LANG)/;

function inherited(): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name]) => !left.test(name));
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** Another time zone and another locale than those of now. */
export function otherEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly TZ: string;
  readonly LC_ALL: string;
} {
  const [zone, otherZone] = ['Pacific/Chatham', 'America/St_Johns'] as const;
  const locale = env['LC_ALL'] ?? env['LANG'] ?? 'C';
  return {TZ: env['TZ'] === zone ? otherZone : zone, LC_ALL: locale === 'C' ? 'C.UTF-8' : 'C'};
}

/** A namespace with another host name, and one of the processors that this process may use. */
function otherHost(): readonly string[] {
  const allowed = /^Cpus_allowed_list:\s*(?<first>\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const name = 'printf %s another-host > /proc/sys/kernel/hostname && exec "$@"';
  const processor = ['taskset', '--cpu-list', allowed?.groups?.['first'] ?? '0'];
  return ['unshare', '--uts', '--', '/bin/sh', '-c', name, 'sh', ...processor];
}

function sharePackages(from: string, to: string, lock: Lock): void {
  const store = new PackageStore(from);
  for (const one of Object.values(lock.archives).flatMap(({packages}) => packages)) {
    const wanted = {fileName: debFileName(one), sizeBytes: one.size, sha256: one.sha256};
    if (store.has(wanted)) store.link(wanted, join(to, wanted.fileName));
  }
}
