import {FgError} from '../../src/errors.ts';
import {printable} from '../../src/ui/format.ts';
import type {PropertyChange, RemoteImage, RemoteProperties} from '../registrar.ts';
import {flagsOf, readImage, readNamed, type TemplateEntries, writeTemplate} from './documents.ts';
import type {ImageMaking} from './image-making.ts';
import {OneRefusal} from './one-client.ts';
import {isId, joinLabels, labelsOf, markAttributes, propertyNames, vmTemplateOf} from './properties.ts';
import {putVmTemplate, removeVmTemplates} from './vm-template.ts';

/**
 * Has an image be what it is to be, and looks whether it is. Ownership comes last: who has given an image away may not
 * be allowed anything with it any more.
 */
export async function settle(
  making: ImageMaking,
  id: number,
  get: (id: string) => Promise<RemoteImage | undefined>,
): Promise<RemoteImage> {
  const first = await present(get, id);
  const changes = differences(first.properties, making.wanted);
  if (changes.length === 0) return first;
  await changeImage(making, id, changes);
  const second = await present(get, id);
  const [left] = differences(second.properties, making.wanted);
  if (left === undefined) return second;
  throw new FgError(
    'REMOTE_REFUSED',
    `OpenNebula keeps ${left.name} of image ${id} at ${JSON.stringify(printable(left.from ?? ''))}: it was to be ${JSON.stringify(left.to ?? '')}`,
    {hint: 'Look at what the configuration of the cloud makes of it, or take it out of the spec'},
  );
}

export async function changeImage(
  making: ImageMaking,
  id: number,
  changes: readonly PropertyChange[],
): Promise<void> {
  const {client} = making;
  const to = new Map(changes.map((change) => [change.name, change.to] as const));
  const entries = await attributeEntries(making, id, to);
  if (entries.length > 0) await client.call('one.image.update', id, writeTemplate(entries), 1);
  if (to.has(markAttributes.deprecated)) await enable(making, id);
  const persistent = to.get(propertyNames.persistent);
  if (persistent !== undefined) await client.call('one.image.persistent', id, persistent === 'YES');
  if (to.has(propertyNames.vmTemplate)) await changeVmTemplate(making, id, to.get(propertyNames.vmTemplate));
  await share(making, id, to);
}

/** One that VMs ran from when it was deprecated has not been disabled. */
async function enable({client}: ImageMaking, id: number): Promise<void> {
  const {state} = readImage(await client.text('one.image.info', id));
  if (state === 'DISABLED') await client.call('one.image.enable', id, true);
}

/** What `one.image.update` merges: empty values take attributes away; labels that others gave stay. */
async function attributeEntries(
  {client}: ImageMaking,
  id: number,
  to: ReadonlyMap<string, string | undefined>,
): Promise<TemplateEntries> {
  const others: readonly string[] = Object.values(propertyNames);
  const entries = [...to]
    .filter(([name]) => !others.includes(name))
    .map(([name, value]) => [name, value ?? ''] as const);
  const labels = to.get(propertyNames.labels);
  if (labels === undefined) return entries;
  const image = readImage(await client.text('one.image.info', id));
  return [...entries, ['LABELS', joinLabels([...labelsOf(image), ...labels.split(',')])]];
}

/** The template itself first: what the image says of it holds then. */
async function changeVmTemplate(making: ImageMaking, id: number, word: string | undefined): Promise<void> {
  const {client, vmTemplate, mark} = making;
  let says = '';
  if (word === undefined || vmTemplate === undefined) await removeVmTemplates(client, mark.lineage, id);
  else says = `${await putVmTemplate(client, vmTemplate, id)}:${word}`;
  await client.call('one.image.update', id, writeTemplate([[markAttributes.vmTemplate, says]]), 1);
}

/** Permissions, group and owner, of the image and of its VM template alike. */
async function share(
  {client, wanted}: ImageMaking,
  id: number,
  to: ReadonlyMap<string, string | undefined>,
): Promise<void> {
  const names = [propertyNames.permissions, propertyNames.owner, propertyNames.group];
  const isNewTemplate = to.get(propertyNames.vmTemplate) !== undefined;
  if (!names.some((name) => to.get(name) !== undefined || (isNewTemplate && wanted[name] !== undefined)))
    return;
  const image = readImage(await client.text('one.image.info', id));
  const templateId = vmTemplateOf(image)?.id;
  const permissions = wanted[propertyNames.permissions];
  const [userId, groupId] = [
    await principalId(client, 'USER', wanted[propertyNames.owner]),
    await principalId(client, 'GROUP', wanted[propertyNames.group]),
  ];
  for (const [kind, oid] of [
    ['template', templateId],
    ['image', id],
  ] as const) {
    if (oid === undefined) continue;
    if (permissions !== undefined) await client.call(`one.${kind}.chmod`, oid, ...flagsOf(permissions));
    if (userId !== -1 || groupId !== -1) await client.call(`one.${kind}.chown`, oid, userId, groupId);
  }
}

/** -1: stays as it is. */
async function principalId(
  client: ImageMaking['client'],
  kind: 'USER' | 'GROUP',
  principal: string | undefined,
): Promise<number> {
  if (principal === undefined) return -1;
  if (isId(principal)) return Number(principal);
  const word = kind.toLowerCase();
  const ids = await namedIds(client, kind, word);
  const id = ids.get(principal);
  if (id !== undefined) return id;
  throw new FgError('USAGE', `OpenNebula knows no ${word} ${principal}`, {
    hint: `Write one as \`one${word} list\` shows it, or its id`,
  });
}

async function namedIds(
  client: ImageMaking['client'],
  kind: 'USER' | 'GROUP',
  word: string,
): Promise<ReadonlyMap<string, number>> {
  try {
    return readNamed(await client.text(`one.${word}pool.info`), kind);
  } catch (error) {
    if (!(error instanceof OneRefusal)) throw error;
    throw new OneRefusal(
      error.message,
      error.oneCode,
      `Write the id of the ${word} in the place of its name`,
    );
  }
}

async function present(
  get: (id: string) => Promise<RemoteImage | undefined>,
  id: number,
): Promise<RemoteImage> {
  const remote = await get(String(id));
  if (remote !== undefined) return remote;
  throw new FgError('REMOTE_REFUSED', `Image ${id} of OpenNebula is gone: somebody has deleted it`, {
    hint: 'Run it again to make it anew',
  });
}

function differences(found: RemoteProperties, wanted: RemoteProperties): readonly PropertyChange[] {
  const names = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
  return names.flatMap((name) => {
    const [from, to] = [found[name], wanted[name]];
    if (from === to) return [];
    return [{name, ...(from === undefined ? {} : {from}), ...(to === undefined ? {} : {to})}];
  });
}
