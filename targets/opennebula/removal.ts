import {setTimeout as wait} from 'node:timers/promises';
import {type OneImage, readImage} from './documents.ts';
import {isGone, type OneClient, OneRefusal, oneCodes, unlessGone} from './one-client.ts';
import {errorText, markOf} from './properties.ts';
import {removeCopy} from './transfer.ts';
import {removeVmTemplates} from './vm-template.ts';

const checkEveryMs = 500;

export interface Removal {
  readonly lineage: string;
  readonly hasVmTemplate: boolean;
  readonly signal: AbortSignal;
}

/**
 * Takes an image away, its VM templates first: a template without its image is of no use to anybody, and would be
 * found by nobody. Returns when the driver has deleted the bytes: until then the name is taken.
 */
export async function removeImage(client: OneClient, id: number, removal: Removal): Promise<void> {
  if (removal.hasVmTemplate) await removeVmTemplates(client, removal.lineage, id);
  const image = await imageOf(client, id);
  if (image === undefined) return;
  if (markOf(image)?.lineage !== removal.lineage)
    throw new OneRefusal(
      `Image ${id} of OpenNebula does not carry our mark any more, and is left`,
      oneCodes.action,
      'Somebody has made it his own: look at FGIMAGE_LINEAGE of it',
    );
  // A DELETE that failed ends in ERROR, and may be asked for again.
  if (image.state !== 'DELETE') await deleteImage(client, id);
  await untilGone(client, id, removal.signal);
  removeCopy(image.path);
}

async function deleteImage(client: OneClient, id: number): Promise<void> {
  try {
    await client.call('one.image.delete', id);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

async function untilGone(client: OneClient, id: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const image = await imageOf(client, id);
    if (image === undefined) return;
    if (image.state === 'ERROR')
      throw new OneRefusal(
        `OpenNebula does not delete image ${id}: ${errorText(image.attributes['ERROR'])}`,
        oneCodes.internal,
        'Ask who runs the cloud to look into oned.log; then run it again',
      );
    await wait(checkEveryMs, undefined, {signal});
  }
}

async function imageOf(client: OneClient, id: number): Promise<OneImage | undefined> {
  const text = await unlessGone(client.text('one.image.info', id));
  return text === undefined ? undefined : readImage(text);
}
