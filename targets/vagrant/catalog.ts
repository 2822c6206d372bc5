import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {FgError, isErrno} from '../../src/errors.ts';
import {type Mark, markNames} from '../registrar.ts';
import {readSidecar, type Sidecar, sidecarSuffix, writeWhole} from '../shared/sidecar.ts';

export interface BoxCatalog {
  /** `example/web` */
  readonly box: string;
  /** Of the folder, as users of the boxes reach it. */
  readonly url: string;
  readonly description?: string;
}

/**
 * Writes the catalog of a box from what the sidecars of the folder say: all versions of one lineage that are ready
 * (https://developer.hashicorp.com/vagrant/docs/boxes/format#box-metadata). A version is the time of its registration:
 * Vagrant compares versions, and digests have no order. Replaces no file that is not such a catalog of this lineage.
 */
export async function writeCatalog(folder: string, catalog: BoxCatalog, {lineage}: Mark): Promise<void> {
  const {box, url, description = `${box}, made by fgimage`} = catalog;
  const path = catalogPath(folder, catalog);
  const isThere = await isOurs(path, lineage);
  const versions = (await readyBoxes(folder, lineage)).map((sidecar) => versionOf(sidecar, url));
  const text = JSON.stringify({name: box, description, [markNames.lineage]: lineage, versions}, undefined, 2);
  await writeWhole(path, `${text}\n`, {permissions: '0644', replace: isThere});
}

/** Throws `FgError` NAME_TAKEN where the catalog is of somebody else. */
export async function checkCatalog(folder: string, catalog: BoxCatalog, {lineage}: Mark): Promise<void> {
  await isOurs(catalogPath(folder, catalog), lineage);
}

function catalogPath(folder: string, {box}: BoxCatalog): string {
  return join(folder, `${box.replace('/', '-')}.json`);
}

async function isOurs(path: string, lineage: string): Promise<boolean> {
  let known: unknown;
  try {
    known = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    if (!(error instanceof SyntaxError)) throw error;
  }
  const whose =
    typeof known === 'object' && known !== null
      ? (known as Record<string, unknown>)[markNames.lineage]
      : undefined;
  if (whose === lineage) return true;
  throw new FgError('NAME_TAKEN', `${path} is there already, and is no catalog of ${lineage}`, {
    hint: 'Choose another box with register.catalog.box, or take that file away',
  });
}

async function readyBoxes(folder: string, lineage: string): Promise<readonly Sidecar[]> {
  const boxes: Sidecar[] = [];
  for (const entry of await readdir(folder)) {
    if (!entry.endsWith(`.box${sidecarSuffix}`)) continue;
    const sidecar = await readSidecar(join(folder, entry));
    if (sidecar?.state === 'ready' && sidecar[markNames.lineage] === lineage) boxes.push(sidecar);
  }
  return boxes.sort((a, b) => b.registered_at.localeCompare(a.registered_at));
}

function versionOf({files: [file], registered_at: at}: Sidecar, url: string) {
  if (file === undefined) throw new Error('A ready sidecar names no file');
  // As numbers, for a version has no leading zeros: day, time, milliseconds.
  const [, day = '', time = '', ms = ''] = /^(\d{8})T(\d{6})\.(\d+)Z$/.exec(at.replaceAll(/[-:]/g, '')) ?? [];
  return {
    version: `${day}.${Number(time)}.${Number(ms)}`,
    providers: [
      {
        name: 'libvirt',
        url: `${url.replace(/\/$/, '')}/${encodeURIComponent(file.name)}`,
        checksum_type: 'sha256',
        checksum: file.sha256,
        architecture: 'amd64',
        default_architecture: true,
      },
    ],
  };
}
