import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {runImport} from '../../src/stages/import/run.ts';
import type {StageContext} from '../../src/stages/stage.ts';

/** How an import ended: what was logged, or what was wrong. */
export interface Imported {
  /** The tree. */
  readonly tree: string;
  readonly log: readonly string[];
  readonly refused?: {readonly message: string; readonly hint: string};
}

export interface ImportRequest {
  /** `base.import` of the spec. */
  readonly source: string;
  readonly sha256?: string;
  readonly os?: {readonly distribution: string; readonly release: string; readonly architecture: string};
  /** Where rpm's database lies, of a system that has one. */
  readonly database?: string;
}

/** Runs the stage of an imported base alone, in new folders below `project`. */
export async function importBase(project: string, request: ImportRequest): Promise<Imported> {
  const folder = mkdtempSync(join(project, '.import-'));
  const [work, tree] = ['work', 'tree'].map((name) => join(folder, name)) as [string, string];
  for (const path of [work, tree]) mkdirSync(path);
  const log: string[] = [];
  const {source, sha256, os = bookworm, database} = request;
  const context = {
    node: {
      params: {
        import: {source, ...(sha256 === undefined ? {} : {sha256})},
        os,
        source_date_epoch: 1_686_355_200,
        ...(database === undefined ? {} : {rpm: {database}}),
      },
    },
    offline: false,
    projectDir: project,
    work,
    output: tree,
    log: {write: (line: string) => log.push(line)},
    signal: new AbortController().signal,
    progress: () => undefined,
  };
  const done = await runImport(context as unknown as StageContext);
  if (done.ok) return {tree, log};
  const {failure} = done.error;
  if (failure.reason !== 'refused') throw new Error(`The import ended by ${failure.reason}`);
  return {tree, log, refused: {message: failure.message, hint: failure.hint}};
}

const bookworm = {distribution: 'debian', release: 'bookworm', architecture: 'amd64'};

/** Files of a root that says that it is bookworm. */
export const smallRoot: Readonly<Record<string, string>> = {
  'etc/os-release': 'PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
  'etc/machine-id': '0123456789abcdef0123456789abcdef\n',
  'etc/ssh/ssh_host_rsa_key': 'a key',
  'usr/bin/tool': 'a program',
};

/** Writes files below a folder. */
export function writeTree(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), {recursive: true});
    writeFileSync(join(folder, path), content);
  }
}

/** All paths below a folder, sorted. */
export function pathsIn(folder: string): readonly string[] {
  return (readdirSync(folder, {recursive: true}) as string[]).sort();
}

/** Archives a folder as one layer; gives its digest. */
function layerOf(tree: string, archive: string): string {
  execFileSync('tar', ['-C', tree, '-czf', archive, '.']);
  return digestOf(readFileSync(archive));
}

export function digestOf(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** An OCI layout (image-spec 1.0) of layers, with an index that names it for one architecture and something for none. */
export function writeLayout(folder: string, layers: readonly string[], architecture = 'amd64'): string {
  const blobs = join(folder, 'blobs/sha256');
  mkdirSync(blobs, {recursive: true});
  const put = (bytes: Buffer): {readonly digest: string; readonly size: number} => {
    const sha256 = digestOf(bytes);
    writeFileSync(join(blobs, sha256), bytes);
    return {digest: `sha256:${sha256}`, size: bytes.length};
  };
  const mediaType = 'application/vnd.oci.image';
  const described = layers.map((tree, index) => {
    const archive = join(folder, `layer-${String(index)}`);
    const sha256 = layerOf(tree, archive);
    copyFileSync(archive, join(blobs, sha256));
    execFileSync('rm', [archive]);
    const size = readFileSync(join(blobs, sha256)).length;
    return {mediaType: `${mediaType}.layer.v1.tar+gzip`, digest: `sha256:${sha256}`, size};
  });
  const config = put(
    Buffer.from(JSON.stringify({architecture, os: 'linux', rootfs: {type: 'layers', diff_ids: []}})),
  );
  const manifest = put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: `${mediaType}.manifest.v1+json`,
        config: {mediaType: `${mediaType}.config.v1+json`, ...config},
        layers: described,
      }),
    ),
  );
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: `${mediaType}.index.v1+json`,
    manifests: [
      {mediaType: `${mediaType}.manifest.v1+json`, ...manifest, platform: {os: 'linux', architecture}},
      {
        mediaType: `${mediaType}.manifest.v1+json`,
        ...config,
        platform: {os: 'unknown', architecture: 'unknown'},
      },
    ],
  });
  writeFileSync(join(folder, 'index.json'), index);
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return digestOf(index);
}
