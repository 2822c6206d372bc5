import {execFileSync} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync, statSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {FgError} from '../errors.ts';
import type {ArchiveUris} from '../plan/archives.ts';
import type {Os} from '../spec/image.ts';

/**
 * Where an OS's archives are: the spec's mirror, else the host's own apt configuration, else mmdebstrap's default.
 * No host of an archive stands in this program.
 */
export function archiveUris(os: Os, store: Store): ArchiveUris {
  const {mirror, snapshot} = os;
  if (mirror === undefined) {
    if (snapshot === undefined) return hostUris(store) ?? defaultUris(os, store);
    throw new FgError(
      'SPEC_INVALID',
      'os.snapshot needs os.mirror: the archive of snapshots to take it from',
      {
        hint: 'Set os.mirror to the folder that holds the snapshots by time',
      },
    );
  }
  const main = mirror.replace(/\/+$/, '');
  const security = siblingSecurity(main);
  const at = snapshot === undefined ? '' : `/${snapshot}`;
  return {main: `${main}${at}`, ...(security === undefined ? {} : {security: `${security}${at}`})};
}

/** Debian's layout: beside `…/debian` lies `…/debian-security`. A private archive of another form has none. */
function siblingSecurity(main: string): string | undefined {
  return main.endsWith('/debian') ? `${main}-security` : undefined;
}

const debianSuites =
  /^(?:bullseye|bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)(?<security>-security)?(?:-updates)?$/;

/** The host's first archive with a Debian suite, and its security archive. Asked again when /etc/apt changed. */
function hostUris(store: Store): ArchiveUris | undefined {
  const memo = `apt-sources:${stamp('/etc/apt/sources.list')}:${stamp('/etc/apt/sources.list.d')}:${stamp('/etc/apt/apt.conf.d')}`;
  let text = store.memo(memo);
  if (text === undefined) {
    try {
      text = execFileSync(
        'apt-get',
        ['indextargets', '--format', '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)'],
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
    const [kind, uri = '', release = '', component] = line.split(' ');
    const suite = debianSuites.exec(release);
    if (kind !== 'Packages' || component !== 'main' || suite === null) continue;
    if (suite.groups?.['security'] === undefined) main ??= uri.replace(/\/+$/, '');
    else security ??= uri.replace(/\/+$/, '');
  }
  security ??= main === undefined ? undefined : siblingSecurity(main);
  return main === undefined ? undefined : {main, ...(security === undefined ? {} : {security})};
}

/** What mmdebstrap(1) itself would write into a new root's sources.list. */
function defaultUris(os: Os, store: Store): ArchiveUris {
  const memo = `mmdebstrap-default:${os.release}`;
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
      uris.find((_, index) => uris[index + 1]?.endsWith('-security') === true) ?? siblingSecurity(main);
    const found = {main, ...(security === undefined ? {} : {security})};
    store.setMemo(memo, JSON.stringify(found));
    return found;
  } catch (error) {
    throw new FgError('USAGE', 'No Debian archive is known: neither the spec nor this host names one', {
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
