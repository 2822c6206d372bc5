import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as wait} from 'node:timers/promises';
import {FgError} from '../../src/errors.ts';
import {RemoteError} from '../../src/http/error.ts';
import {printable} from '../../src/ui/format.ts';
import type {
  Artifact,
  CreateProgress,
  Mark,
  RegistrarRequest,
  RemoteImage,
  RemoteProperties,
} from '../registrar.ts';
import {type OneImage, readDatastores, readImage, writeTemplate} from './documents.ts';
import {type OneClient, OneRefusal, oneCodes} from './one-client.ts';
import {errorText, markAttributes, propertyNames} from './properties.ts';
import type {RegisterSettings} from './register-settings.ts';
import {removeImage} from './removal.ts';
import {
  fileOf,
  openTransfer,
  removeCopy,
  resumeTransfer,
  type Transfer,
  type TransferRequest,
} from './transfer.ts';
import type {WantedVmTemplate} from './vm-template.ts';

/** What is needed to make an image, and to change it. */
export interface ImageMaking extends Pick<RegistrarRequest, 'name' | 'mark' | 'signal' | 'warn'> {
  readonly client: OneClient;
  readonly settings: RegisterSettings;
  readonly endpoint: URL;
  readonly mark: Mark;
  readonly wanted: RemoteProperties;
  readonly vmTemplate?: WantedVmTemplate;
}

export interface Upload {
  readonly artifact: Artifact;
  readonly progress: CreateProgress;
  readonly unfinished?: RemoteImage;
}

/** Makes an image, or waits for one that an interrupted run began. Gives its id when it is READY. */
export async function createImage(making: ImageMaking, upload: Upload): Promise<number> {
  const {unfinished} = upload;
  if (unfinished !== undefined) {
    const image = await finish(making, upload, Number(unfinished.id));
    if (image !== undefined) return image;
  }
  return begin(making, upload);
}

/**
 * Goes on with an image that is LOCKED: gives its disk again where the front-end may still come for it, and waits.
 * Undefined: it failed, and is taken away.
 */
async function finish(making: ImageMaking, upload: Upload, id: number): Promise<number | undefined> {
  const {client, signal, mark} = making;
  const {progress} = upload;
  const before = readImage(await client.text('one.image.info', id));
  await using transfer = await resumeTransfer(transferRequest(making, upload), before.path);
  progress.begun(String(id));
  progress.report(
    transfer === undefined
      ? `Waiting for image ${id}`
      : `Giving the disk of image ${id} to the front-end again`,
  );
  const image = await untilDone(making, id);
  if (image.state !== 'ERROR') {
    removeCopy(before.path);
    checkSize(image, upload.artifact);
    return id;
  }
  progress.report(`Image ${id} failed when it was interrupted; it is made anew`);
  await removeImage(client, id, {lineage: mark.lineage, hasVmTemplate: true, signal});
  return undefined;
}

async function begin(making: ImageMaking, upload: Upload): Promise<number> {
  const {client} = making;
  const {artifact, progress} = upload;
  const datastore = await datastoreId(making);
  const isOld = await isBefore6(client);
  progress.report('Reading the disk');
  const sha1 = await checkedSha1(artifact, making.signal);
  await using transfer = await openTransfer(transferRequest(making, upload));
  const template = imageTemplate(making, {
    path: transfer.path,
    sha1,
    // Until version 6 the format was what the template said, and raw without it; since then it is looked at.
    ...(isOld ? {driver: artifact.format} : {}),
  });
  progress.report('The front-end looks at the disk');
  const id = Number(await allocate(making, {template, datastore, transfer}));
  progress.begun(String(id));
  progress.report(`The front-end copies the disk into datastore ${making.settings.datastore}`);
  const image = await untilDone(making, id);
  if (image.state === 'ERROR')
    throw new FgError(
      'REMOTE_REFUSED',
      `OpenNebula could not make image ${id} (${making.name}): ${printable(errorText(image.attributes['ERROR']))}`,
      {hint: transfer.hint},
    );
  checkSize(image, artifact);
  return id;
}

function transferRequest(
  {settings, endpoint, signal}: ImageMaking,
  {artifact, progress}: Upload,
): TransferRequest {
  let last = -1;
  return {
    artifact,
    setting: settings.transfer,
    endpoint,
    signal,
    onProgress: (fraction) => {
      const percent = Math.floor(fraction * 100);
      if (percent <= last) return;
      last = percent;
      progress.report('Uploading', fraction);
    },
  };
}

async function allocate(
  {client, name}: ImageMaking,
  {template, datastore, transfer}: {template: string; datastore: number; transfer: Transfer},
): Promise<string | number | boolean> {
  try {
    return await client.callOnce('one.image.allocate', template, datastore);
  } catch (error) {
    if (!(error instanceof OneRefusal)) throw error;
    if (error.message.includes('NAME is already taken'))
      throw new FgError('NAME_TAKEN', error.message, {
        hint: `Choose another name than ${name} with register.name, e.g. with {digest}, or take that image away`,
        cause: error,
      });
    // "Cannot parse image SIZE: " and what the front-end said when it looked at the disk (libfs.sh, fs_size).
    if (error.message.includes('image SIZE'))
      throw new OneRefusal(error.message, error.oneCode, transfer.hint);
    if (error.message.includes('Not enough space'))
      throw new OneRefusal(
        error.message,
        error.oneCode,
        'Choose another with register.datastore, or let old images go',
      );
    throw error;
  }
}

function imageTemplate(
  {name, mark, settings, wanted}: ImageMaking,
  {path, sha1, driver}: {readonly path: string; readonly sha1: string; readonly driver?: string},
): string {
  const later: readonly string[] = [
    propertyNames.owner,
    propertyNames.group,
    propertyNames.permissions,
    propertyNames.vmTemplate,
    propertyNames.persistent,
  ];
  return writeTemplate([
    ['NAME', name],
    ['TYPE', 'OS'],
    ['PERSISTENT', settings.isPersistent ? 'YES' : 'NO'],
    ['PATH', path],
    ['SHA1', sha1],
    ...(driver === undefined ? [] : [['DRIVER', driver] as const]),
    [markAttributes.digest, mark.digest],
    [markAttributes.lineage, mark.lineage],
    ...Object.entries(wanted).filter(([attribute]) => !later.includes(attribute)),
  ]);
}

async function datastoreId({client, settings: {datastore}}: ImageMaking): Promise<number> {
  const known = readDatastores(await client.text('one.datastorepool.info'));
  const found = known.find(({id, name}) => id === datastore || name === datastore);
  const usable = known.filter(({type}) => type === 0).map(({name}) => name);
  const hint = `Choose one for images with register.datastore${usable.length === 0 ? '' : `: ${printable(usable.join(', '))}`}`;
  if (found === undefined) throw new FgError('USAGE', `OpenNebula shows no datastore ${datastore}`, {hint});
  if (found.type !== 0)
    throw new FgError('USAGE', `Datastore ${datastore} of OpenNebula does not hold images of disks`, {hint});
  return found.id;
}

async function isBefore6(client: OneClient): Promise<boolean> {
  const version = await client.text('one.system.version');
  const major = /^(?<major>\d{1,3})\./.exec(version)?.groups?.['major'];
  if (major === undefined || Number(major) < 5)
    throw new FgError('REMOTE_REFUSED', `OpenNebula ${printable(version)} is not one that fgimage knows`, {
      hint: 'fgimage speaks to OpenNebula 5.12 and newer',
    });
  return Number(major) < 6;
}

/** In one pass: whether the bytes are those that were packed, and SHA-1, which the front-end compares (downloader.sh). */
async function checkedSha1(artifact: Artifact, signal: AbortSignal): Promise<string> {
  const path = join(artifact.folder, artifact.file);
  const [sha1, sha256] = [createHash('sha1'), createHash('sha256')];
  for await (const piece of createReadStream(path, {
    highWaterMark: 1 << 20,
    signal,
  }) as AsyncIterable<Buffer>) {
    sha1.update(piece);
    sha256.update(piece);
  }
  if (sha256.digest('hex') !== fileOf(artifact).sha256)
    throw new FgError('CACHE_UNUSABLE', `${path} is not what was packed`, {
      hint: 'Run "fgimage cache verify", build again, and register then',
    });
  return sha1.digest('hex');
}

const firstCheckMs = 300;
const longestCheckMs = 5000;

/** Waits until an image is no more LOCKED; ERROR is for the caller to tell. */
async function untilDone({client, signal}: ImageMaking, id: number): Promise<OneImage> {
  for (let delayMs = firstCheckMs; ; delayMs = Math.min(delayMs * 1.5, longestCheckMs)) {
    const image = readImage(await client.text('one.image.info', id));
    switch (image.state) {
      case 'INIT':
      case 'LOCKED':
        await wait(delayMs, undefined, {signal});
        break;
      case 'DISABLED':
      case 'DELETE':
      case 'UNKNOWN':
        throw new OneRefusal(
          `Image ${id} of OpenNebula is ${image.state}: somebody else has changed it`,
          oneCodes.action,
          'Run it again',
        );
      case 'READY':
      case 'USED':
      case 'USED_PERS':
      case 'CLONE':
      case 'LOCKED_USED':
      case 'LOCKED_USED_PERS':
      case 'ERROR':
        return image;
    }
  }
}

const mebibyte = 1 << 20;

/** SIZE is the virtual size that the front-end saw, rounded up to MiB. */
function checkSize({id, sizeMiB}: OneImage, {virtualSizeBytes}: Artifact): void {
  if (virtualSizeBytes === undefined || sizeMiB === Math.ceil(virtualSizeBytes / mebibyte)) return;
  throw new RemoteError(
    'damaged',
    `Image ${id} of OpenNebula has ${sizeMiB} MiB: the disk has ${Math.ceil(virtualSizeBytes / mebibyte)} MiB`,
  );
}
