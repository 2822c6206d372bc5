import {execFileSync} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {FgError} from '../errors.ts';
import type {ArchiveUris} from '../plan/archives.ts';
import type {Os} from '../spec/image.ts';
import {aptOf, type DistributionTemplate, readTemplate} from '../spec/template.ts';

/**
 * Where an OS's archives are: the spec's mirror, else the host's own apt configuration, else mmdebstrap's default.
 * No host of an archive stands in this program.
 */
export function archiveUris(os: Os, store: Store): ArchiveUris {
  const {mirror, snapshot} = os;
  // No repository of rpm packages is the host's to know: src/spec/check-packages.ts wants it named.
  if (readTemplate(os.distribution).package_manager !== 'apt') return {main: mirror ?? ''};
  if (mirror === undefined) {
    if (snapshot === undefined) return hostUris(os, store) ?? defaultUris(os, store);
    throw new FgError(
      'SPEC_INVALID',
      'os.snapshot needs os.mirror: the archive of snapshots to take it from',
      {
        hint: 'Set os.mirror to the folder that holds the snapshots by time',
      },
    );
  }
  const main = mirror.replace(/\/+$/, '');
  const security = securityBeside(main, os);
  const at = snapshot === undefined ? '' : `/${snapshot}`;
  return {main: `${main}${at}`, ...(security === undefined ? {} : {security: `${security}${at}`})};
}

/**
 * Where security suites are: in Debian's layout in `…/debian-security` beside `…/debian`, which a private archive of
 * another form has not; in Ubuntu's among the others.
 */
function securityBeside(main: string, {distribution}: Pick<Os, 'distribution'>): string | undefined {
  if (aptOf(readTemplate(distribution)).security === 'same') return main;
  return main.endsWith('/debian') ? `${main}-security` : undefined;
}

/** What the host's apt may call a suite of a distribution: by release, or by how old that is. */
function suiteNames({releases}: DistributionTemplate): ReadonlySet<string> {
  const words = Object.entries(releases).flatMap(([name, {aliases = []}]) => [name, ...aliases]);
  return new Set([...words, 'oldoldstable', 'oldstable', 'stable', 'testing', 'unstable']);
}

/** The host's first archive with a suite of the OS's distribution, and its security archive. Asked again when /etc/apt changed. */
function hostUris(os: Os, store: Store): ArchiveUris | undefined {
  const template = readTemplate(os.distribution);
  const {main_architectures: inMain} = aptOf(template);
  const suites = suiteNames(template);
  const memo = `apt-sources-2:${stamp('/etc/apt/sources.list')}:${stamp('/etc/apt/sources.list.d')}:${stamp('/etc/apt/apt.conf.d')}`;
  let text = store.memo(memo);
  if (text === undefined) {
    try {
      text = execFileSync(
        'apt-get',
        ['indextargets', '--format', '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT) $(ARCHITECTURE)'],
        {encoding: 'utf8'},
      );
    } catch {
      return undefined;
    }
    store.setMemo(memo, text);
  }
  let main: string | undefined;
  let security: string | undefined;
  for (const line of text.split('\n')) {
    const [kind, uri = '', release = '', component, architecture] = line.split(' ');
    const suite = /^(?<name>[a-z]+)(?<security>-security)?(?:-updates)?$/.exec(release)?.groups;
    if (kind !== 'Packages' || component !== 'main' || !suites.has(suite?.['name'] ?? '')) continue;
    if (inMain !== undefined && architecture !== os.architecture) continue;
    if (suite?.['security'] === undefined) main ??= uri.replace(/\/+$/, '');
    else security ??= uri.replace(/\/+$/, '');
  }
  security ??= main === undefined ? undefined : securityBeside(main, os);
  return main === undefined ? undefined : {main, ...(security === undefined ? {} : {security})};
}

/** What mmdebstrap(1) itself would write into a new root's sources.list. */
function defaultUris(os: Os, store: Store): ArchiveUris {
  const memo = `mmdebstrap-default:${os.release}:${os.architecture}`;
  const known = store.memo(memo);
  if (known !== undefined) return JSON.parse(known) as ArchiveUris;
  const folder = mkdtempSync(join(tmpdir(), 'fgimage-sources-'));
  const copy = join(folder, 'sources.list');
  try {
    execFileSync(
      'mmdebstrap',
      [
        '--quiet',
        '--simulate',
        '--skip=update',
        '--skip=check/qemu',
        `--architectures=${os.architecture}`,
        '--variant=custom',
        `--setup-hook=cp "$1"/etc/apt/sources.list "${copy}"`,
        os.release,
        join(folder, 'root'),
      ],
      {stdio: 'ignore'},
    );
    const uris = readFileSync(copy, 'utf8')
      .split('\n')
      .flatMap((line) => /^deb (?:\[.*?\] )?(?<uri>\S+) (?<suite>\S+)/.exec(line)?.slice(1) ?? []);
    const main = uris[0];
    if (main === undefined) throw new Error('mmdebstrap wrote no sources');
    const security =
      uris.find((_, index) => uris[index + 1]?.endsWith('-security') === true) ?? securityBeside(main, os);
    const found = {main, ...(security === undefined ? {} : {security})};
    store.setMemo(memo, JSON.stringify(found));
    return found;
  } catch (error) {
    const {title} = readTemplate(os.distribution);
    throw new FgError('USAGE', `No archive of ${title} is known: neither the spec nor this host names one`, {
      cause: error,
      hint: 'Set os.mirror in the spec',
    });
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}

/** Changes when a file does, or when a file of a folder does. */
function stamp(path: string): string {
  try {
    const stat = statSync(path);
    if (!stat.isDirectory()) return String(stat.ctimeMs);
    return readdirSync(path)
      .map((name) => statSync(join(path, name)).ctimeMs)
      .concat(stat.ctimeMs)
      .join(',');
  } catch {
    return '-';
  }
}
