import {chmodSync, lstatSync, mkdtempSync, rmSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {FgError, isErrno, isNoSpace} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import type {Artifact} from '../registrar.ts';
import {copyVerified} from '../shared/file-copy.ts';
import {isHere} from './credentials.ts';
import {addressTowards, servedPath, serveFile} from './file-server.ts';
import type {TransferSetting} from './register-settings.ts';

/**
 * How the disk gets to OpenNebula, whose interface takes no bytes: the front-end fetches what PATH names, a file of
 * its own or a URL (datastore_mad/remotes/libfs.sh, downloader.sh).
 */
export interface Transfer extends AsyncDisposable {
  /** PATH of the image's template. */
  readonly path: string;
  /** What to look at when the front-end does not get it. */
  readonly hint: string;
}

export interface TransferRequest {
  readonly artifact: Artifact;
  readonly setting: TransferSetting;
  readonly endpoint: URL;
  readonly signal: AbortSignal;
  readonly onProgress: (fraction: number) => void;
}

/** SAFE_DIRS of a datastore as OpenNebula sets it up. */
const usualFolder = '/var/tmp';

export async function openTransfer(request: TransferRequest): Promise<Transfer> {
  const {setting, artifact, endpoint, signal} = request;
  switch (setting.kind) {
    case 'http':
      return {
        path: setting.url.replaceAll('{digest}', fileOf(artifact).sha256).replaceAll('{file}', artifact.file),
        hint: 'Check that the front-end gets the disk from register.http_source, and that it is the one of this build',
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    case 'path':
      return copyTo(setting.folder, request);
    case 'serve':
      return serve(request, {host: setting.host, port: setting.port});
    case 'usual':
      return isHere(endpoint)
        ? copyTo(usualFolder, request)
        : serve(request, {host: await addressTowards(endpoint, signal), port: 0});
  }
}

/**
 * Goes on giving what an earlier run gave, under the same URL: a front-end that lost the connection tries again for
 * some seconds. Undefined where it was given otherwise, or the port is somebody else's by now.
 */
export async function resumeTransfer(request: TransferRequest, path: string): Promise<Transfer | undefined> {
  const url = URL.canParse(path) ? new URL(path) : undefined;
  if (url?.protocol !== 'http:' || !servedPath.test(url.pathname)) return undefined;
  const host = url.hostname.replaceAll(/[[\]]/g, '');
  try {
    return await serve(request, {host, port: Number(url.port || 80), path: url.pathname});
  } catch (error) {
    if (error instanceof FgError && error.code === 'USAGE') return undefined;
    throw error;
  }
}

async function serve(
  {artifact, onProgress}: TransferRequest,
  at: {readonly host: string; readonly port: number; readonly path?: string},
): Promise<Transfer> {
  const {file, folder} = artifact;
  const server = await serveFile({
    ...at,
    file: join(folder, file),
    fileName: file,
    sizeBytes: fileOf(artifact).sizeBytes,
    onProgress,
  });
  return {
    path: server.url,
    hint: `The front-end has to reach ${new URL(server.url).host} over HTTP: name an address and a port that it does with register.serve, or use register.path or register.http_source`,
    [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
  };
}

/** A copy in a folder that nobody else can have made before, readable by the front-end's user. */
async function copyTo(parent: string, {artifact, signal, onProgress}: TransferRequest): Promise<Transfer> {
  const folder = newFolder(parent);
  const {sizeBytes, sha256} = fileOf(artifact);
  const path = join(folder, artifact.file);
  const dispose = (): void => rmSync(folder, {recursive: true, force: true});
  try {
    const from = join(artifact.folder, artifact.file);
    await copyVerified(
      {from, to: path, sizeBytes, sha256, permissions: '0644'},
      {signal, onProgress: (bytes) => onProgress(sizeBytes === 0 ? 1 : bytes / sizeBytes)},
    );
  } catch (error) {
    dispose();
    if (!isNoSpace(error)) throw error;
    throw new FgError('NO_SPACE', `The disk has no room in ${parent}`, {
      hint: 'Make room there, or choose another folder of SAFE_DIRS with register.path',
      cause: error,
    });
  }
  return {
    path,
    hint: `The front-end has to be this host, or see ${parent} as it is here, and ${parent} has to be in SAFE_DIRS of the datastore; else use register.serve`,
    [Symbol.asyncDispose]() {
      dispose();
      return Promise.resolve();
    },
  };
}

function newFolder(parent: string): string {
  try {
    const folder = mkdtempSync(join(parent, 'fgimage-'));
    chmodSync(folder, 0o755);
    return folder;
  } catch (error) {
    throw new FgError(
      'USAGE',
      `No folder can be made in ${parent}: ${error instanceof Error ? error.message : ''}`,
      {
        hint: 'Choose a folder that you may write to with register.path, or have the disk served with register.serve',
        cause: error,
      },
    );
  }
}

/** Takes away the copy that an interrupted run left, where PATH names one and it is ours. */
export function removeCopy(path: string): void {
  const folder = dirname(path);
  if (!/^fgimage-[A-Za-z0-9]{6}$/.test(basename(folder))) return;
  try {
    const {uid} = lstatSync(folder);
    if (uid === process.getuid?.()) rmSync(folder, {recursive: true, force: true});
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
  }
}

export function fileOf({file, files}: Artifact): Artifact['files'][number] {
  const entry = files.find(({path}) => path === file);
  if (entry === undefined) throw new RemoteError('missing', `The artifact has no ${file}`);
  return entry;
}
