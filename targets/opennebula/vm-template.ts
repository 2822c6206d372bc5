import {createHash} from 'node:crypto';
import {machineOf} from '../../src/spec/distributions.ts';
import type {Os} from '../../src/spec/image.ts';
import type {Mark} from '../registrar.ts';
import {
  type OneObject,
  readVmTemplate,
  readVmTemplates,
  type TemplateEntries,
  writeTemplate,
} from './documents.ts';
import {isGone, type OneClient, unlessGone} from './one-client.ts';
import {markAttributes, markOf} from './properties.ts';
import type {VmTemplateSettings} from './register-settings.ts';

/** The VM template of an image: made, changed and taken away with it. */
export interface WantedVmTemplate {
  readonly name: string;
  readonly settings: VmTemplateSettings;
  readonly devPrefix: string;
  readonly description?: string;
  /** The disk boots under UEFI only. */
  readonly needsUefi: boolean;
  readonly architecture: Os['architecture'];
  readonly mark: Mark;
}

/** A word for everything that the template says but for the id of its image: another word, other content. */
export function vmTemplateWord(wanted: WantedVmTemplate): string {
  const text = `${wanted.name}\n${writeTemplate(vmTemplateEntries(wanted, 0))}`;
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The template's attributes. The name is not among them: it is given when it is made, and by renaming. */
export function vmTemplateEntries(wanted: WantedVmTemplate, imageId: number): TemplateEntries {
  const {settings, devPrefix, description, needsUefi, mark} = wanted;
  const {cpu, vcpu, memoryMiB, networks, machine, hasGraphics, context} = settings;
  const isArm = wanted.architecture === 'arm64';
  const kind = machine ?? (isArm ? 'virt' : undefined);
  const firmware = settings.firmware ?? (isArm || needsUefi ? 'UEFI' : undefined);
  return [
    ['CPU', String(cpu)],
    ['VCPU', vcpu === undefined ? '' : String(vcpu)],
    ['MEMORY', String(memoryMiB)],
    ['DESCRIPTION', description ?? ''],
    ['DISK', {IMAGE_ID: String(imageId), DEV_PREFIX: devPrefix}],
    [
      'OS',
      {
        ARCH: machineOf(wanted.architecture),
        ...(kind === undefined ? {} : {MACHINE: kind}),
        ...(firmware === undefined ? {} : {FIRMWARE: firmware}),
      },
    ],
    ...networks.map(
      ({name, owner, model}) =>
        [
          'NIC',
          {
            NETWORK: name,
            ...(owner === undefined ? {} : {NETWORK_UNAME: owner}),
            MODEL: model ?? 'virtio',
          },
        ] as const,
    ),
    ...(networks.length === 0 ? [['NIC', ''] as const] : []),
    // The console of the web interface comes from the front-end to whatever host the machine is on.
    ['GRAPHICS', hasGraphics ? {TYPE: 'VNC', LISTEN: '0.0.0.0'} : ''],
    ['CONTEXT', {NETWORK: 'YES', SSH_PUBLIC_KEY: '$USER[SSH_PUBLIC_KEY]', SET_HOSTNAME: '$NAME', ...context}],
    [markAttributes.digest, mark.digest],
    [markAttributes.lineage, mark.lineage],
    [markAttributes.image, String(imageId)],
  ];
}

/** Makes the template of an image, or has the one that is there say what it is to say. Gives its id. */
export async function putVmTemplate(
  client: OneClient,
  wanted: WantedVmTemplate,
  imageId: number,
): Promise<number> {
  const [known] = await vmTemplatesOf(client, wanted.mark.lineage, imageId);
  const entries = vmTemplateEntries(wanted, imageId);
  if (known === undefined) {
    const made = entries.filter(([, value]) => value !== '');
    const id = await client.callOnce(
      'one.template.allocate',
      writeTemplate([['NAME', wanted.name], ...made]),
    );
    return Number(id);
  }
  if (known.name !== wanted.name) await client.call('one.template.rename', known.id, wanted.name);
  // Merged: attributes that somebody added stay.
  await client.call('one.template.update', known.id, writeTemplate(entries), 1);
  return known.id;
}

/** Templates that fgimage made for an image. A crash may have left one that the image does not name yet. */
async function vmTemplatesOf(
  client: OneClient,
  lineage: string,
  imageId: number,
): Promise<readonly OneObject[]> {
  const pool = readVmTemplates(await client.text('one.templatepool.info', -2, -1, -1));
  return pool.filter((one) => isOf(one, lineage, imageId));
}

/** The template that an image names, where it still is fgimage's. */
export async function vmTemplateNamed(
  client: OneClient,
  id: number,
  {lineage, imageId}: {readonly lineage: string; readonly imageId: number},
): Promise<OneObject | undefined> {
  const text = await unlessGone(client.text('one.template.info', id));
  const found = text === undefined ? undefined : readVmTemplate(text);
  return found !== undefined && isOf(found, lineage, imageId) ? found : undefined;
}

/** Takes away the templates of an image. */
export async function removeVmTemplates(client: OneClient, lineage: string, imageId: number): Promise<void> {
  for (const {id} of await vmTemplatesOf(client, lineage, imageId)) {
    try {
      await client.call('one.template.delete', id);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

function isOf(template: OneObject, lineage: string, imageId: number): boolean {
  return (
    markOf(template)?.lineage === lineage && template.attributes[markAttributes.image] === String(imageId)
  );
}
