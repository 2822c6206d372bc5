import type {Mark, RemoteImage, RemoteProperties} from '../registrar.ts';
import type {OneImage, OneObject} from './documents.ts';
import type {RegisterSettings} from './register-settings.ts';

/** The mark, and what else fgimage notes on an image: attributes of its template. */
export const markAttributes = {
  digest: 'FGIMAGE_DIGEST',
  lineage: 'FGIMAGE_LINEAGE',
  /** Of an image: `<id>:<what it says>` of its VM template. */
  vmTemplate: 'FGIMAGE_VM_TEMPLATE',
  /** Of a VM template: the id of its image. */
  image: 'FGIMAGE_IMAGE',
  deprecated: 'FGIMAGE_DEPRECATED',
} as const;

/** Names of properties that are no attribute of the template. */
export const propertyNames = {
  owner: 'UNAME',
  group: 'GNAME',
  permissions: 'PERMISSIONS',
  persistent: 'PERSISTENT',
  labels: 'LABELS',
  vmTemplate: 'VM_TEMPLATE',
} as const;

/** What the image is to say of itself. `vmTemplate`: a word for what its VM template says. */
export function wantedProperties(
  settings: RegisterSettings,
  vmTemplate: string | undefined,
): RemoteProperties {
  const {description, labels, attributes, owner, group, permissions} = settings;
  return {
    ...attributes,
    DEV_PREFIX: settings.devPrefix,
    [propertyNames.persistent]: settings.isPersistent ? 'YES' : 'NO',
    ...(description === undefined ? {} : {DESCRIPTION: description}),
    ...(labels.length === 0 ? {} : {[propertyNames.labels]: joinLabels(labels)}),
    ...(owner === undefined ? {} : {[propertyNames.owner]: owner}),
    ...(group === undefined ? {} : {[propertyNames.group]: group}),
    ...(permissions === undefined ? {} : {[propertyNames.permissions]: permissions}),
    ...(vmTemplate === undefined ? {} : {[propertyNames.vmTemplate]: vmTemplate}),
  };
}

/**
 * What an image says of that: nothing of what is not wanted, which others may set as they like, but for what fgimage
 * itself set and wants no more.
 */
export function foundProperties(image: OneImage, wanted: RemoteProperties): RemoteProperties {
  const found: Record<string, string> = {};
  for (const name of Object.keys(wanted)) {
    const value = foundProperty(image, name, wanted[name] ?? '');
    if (value !== undefined) found[name] = value;
  }
  const vmTemplate = vmTemplateOf(image)?.says;
  if (vmTemplate !== undefined) found[propertyNames.vmTemplate] = vmTemplate;
  const deprecated = image.attributes[markAttributes.deprecated];
  if (deprecated !== undefined) found[markAttributes.deprecated] = deprecated;
  return found;
}

function foundProperty(image: OneImage, name: string, wanted: string): string | undefined {
  switch (name) {
    case propertyNames.owner:
      return isId(wanted) ? String(image.ownerId) : image.owner;
    case propertyNames.group:
      return isId(wanted) ? String(image.groupId) : image.group;
    case propertyNames.permissions:
      return image.mode;
    case propertyNames.persistent:
      return image.isPersistent ? 'YES' : 'NO';
    case propertyNames.labels: {
      const there = new Set(labelsOf(image));
      const ours = wanted.split(',').filter((label) => there.has(label));
      return ours.length === 0 ? undefined : joinLabels(ours);
    }
    case propertyNames.vmTemplate:
      return undefined;
    default:
      return image.attributes[name];
  }
}

export function isId(principal: string): boolean {
  return /^\d{1,9}$/.test(principal);
}

export function labelsOf({attributes}: OneObject): readonly string[] {
  return (attributes['LABELS'] ?? '')
    .split(',')
    .map((label) => label.trim())
    .filter((label) => label !== '');
}

export function joinLabels(labels: Iterable<string>): string {
  return [...new Set(labels)].sort().join(',');
}

export function markOf({attributes}: OneObject): Mark | undefined {
  const digest = attributes[markAttributes.digest];
  const lineage = attributes[markAttributes.lineage];
  return digest === undefined || lineage === undefined ? undefined : {digest, lineage};
}

/** What an image says of its VM template. */
export function vmTemplateOf({
  attributes,
}: OneObject): {readonly id: number; readonly says: string} | undefined {
  const found = /^(?<id>\d{1,9}):(?<says>\S+)$/.exec(attributes[markAttributes.vmTemplate] ?? '')?.groups;
  return found === undefined ? undefined : {id: Number(found['id']), says: found['says'] ?? ''};
}

/** An image of OpenNebula as the engine knows images. */
export function remoteImage(image: OneImage, wanted: RemoteProperties): RemoteImage {
  const mark = markOf(image);
  const isDeprecated = image.attributes[markAttributes.deprecated] !== undefined;
  const reason = reasonOf(image, isDeprecated);
  const vmTemplate = vmTemplateOf(image);
  return {
    id: String(image.id),
    name: image.name,
    ...(mark === undefined ? {} : {mark}),
    health: healthOf(image, isDeprecated),
    status: image.state,
    ...(reason === undefined ? {} : {reason}),
    properties: foundProperties(image, wanted),
    createdAt: image.registeredAt * 1000,
    ...(isDeprecated ? {deprecated: true} : {}),
    ...(vmTemplate === undefined ? {} : {belongings: {vm_template: String(vmTemplate.id)}}),
  };
}

function healthOf({state}: OneImage, isDeprecated: boolean): RemoteImage['health'] {
  switch (state) {
    case 'READY':
    case 'USED':
    case 'USED_PERS':
    case 'CLONE':
    case 'LOCKED_USED':
    case 'LOCKED_USED_PERS':
      return 'ready';
    case 'INIT':
    case 'LOCKED':
      return 'pending';
    case 'DISABLED':
      return isDeprecated ? 'ready' : 'broken';
    case 'ERROR':
    case 'DELETE':
    case 'UNKNOWN':
      return 'broken';
  }
}

function reasonOf({state, attributes}: OneImage, isDeprecated: boolean): string | undefined {
  if (state === 'ERROR') return errorText(attributes['ERROR']);
  if (state === 'DISABLED' && !isDeprecated) return 'it was disabled';
  if (state === 'DELETE') return 'it is being deleted';
  return undefined;
}

/** ERROR of an image: `Sun Nov 22 15:40:19 2026 : Error copying image in the datastore: …` (PoolObjectSQL.cc). */
export function errorText(attribute: string | undefined): string {
  return attribute?.replace(/^[A-Z][a-z]{2} .{10,20} \d{4} : /, '') ?? 'OpenNebula does not say why';
}
