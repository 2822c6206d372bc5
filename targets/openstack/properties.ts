import {parseSize} from '../../src/size.ts';
import {machineOf, versionOf} from '../../src/spec/distributions.ts';
import type {Image, JsonObject, JsonValue} from '../../src/spec/image.ts';
import {markNames, type PropertyChange, type RemoteProperties} from '../registrar.ts';
import {firmwareOf} from '../shared/disk.ts';

/**
 * What an image says of itself in Glance, and how that is written: attributes of every image (`visibility`), free
 * properties (`hw_disk_bus`), members. An image remembers in `fgimage_properties` what fgimage manages of it, so that
 * what is taken out of the spec goes there too, and what others have put there stays.
 */

/** Attributes of every image that fgimage manages, with what they are when the spec does not name them. */
const attributes: Readonly<Record<string, string | number | boolean>> = {
  name: '',
  visibility: 'private',
  protected: false,
  os_hidden: false,
  min_disk: 0,
  min_ram: 0,
};

/** In `RemoteProperties`: projects by their ids, comma-separated. */
export const membersName = 'members';
export const managedName = 'fgimage_properties';
/** On an image whose digest and properties were not compared yet. */
export const unverifiedName = 'fgimage_unverified';

/** An image as Glance shows it (Image service API v2). */
export type RawImage = Readonly<Record<string, unknown>>;

/** What is wanted of the image, in Glance's names. Its members are told apart by the caller. */
export function wantedProperties(image: Image, options: JsonObject, name: string): RemoteProperties {
  const register = registerOf(options);
  const free = {...usualProperties(image, options), ...ownProperties(register['properties'])};
  const texts = Object.entries(free).flatMap(([key, value]) =>
    typeof value === 'object' ? [] : [[key, String(value)]],
  );
  const members = membersOf(register);
  const visibility = register['visibility'] ?? (members === undefined ? undefined : 'shared');
  const minDisk = inUnits(register['min_disk'], 2 ** 30);
  const minRam = inUnits(register['min_ram'], 2 ** 20);
  return {
    ...(Object.fromEntries(texts) as Record<string, string>),
    name,
    ...(typeof register['hidden'] === 'boolean' && {os_hidden: String(register['hidden'])}),
    ...(typeof visibility === 'string' && {visibility}),
    ...(typeof register['protected'] === 'boolean' && {protected: String(register['protected'])}),
    ...(minDisk !== undefined && {min_disk: minDisk}),
    ...(minRam !== undefined && {min_ram: minRam}),
    ...(members !== undefined && {[membersName]: members.join(',')}),
  };
}

export function registerOf({register}: JsonObject): JsonObject {
  return isObject(register) ? register : {};
}

/** The projects that the image is to be shared with, in order; undefined: that is not fgimage's to say. */
export function membersOf({members}: JsonObject): readonly string[] | undefined {
  if (!Array.isArray(members)) return undefined;
  return members.filter((member) => typeof member === 'string').toSorted();
}

/** What Nova should know of an image of ours (Glance, "Useful image properties"). */
function usualProperties({os}: Image, options: JsonObject): Readonly<Record<string, JsonValue>> {
  const isArm = os.architecture === 'arm64';
  const firmware = isArm ? 'uefi' : firmwareOf(options);
  const [format] = Array.isArray(options['format'])
    ? (options['format'] as JsonValue[])
    : [options['format']];
  return {
    architecture: machineOf(os.architecture),
    os_type: 'linux',
    os_distro: os.distribution,
    os_version: versionOf(os),
    // cloud-init's usual user.
    os_admin_user: os.distribution,
    hw_disk_bus: 'virtio',
    hw_vif_model: 'virtio',
    // A disk for both boots under whichever the cloud prefers.
    ...(firmware === 'both' ? {} : {hw_firmware_type: firmware}),
    ...(firmware === 'uefi' ? {hw_machine_type: isArm ? 'virt' : 'q35'} : {}),
    ...(options['guest_agent'] === true ? {hw_qemu_guest_agent: 'yes'} : {}),
    ...(format === 'vmdk' ? {vmware_disktype: 'streamOptimized'} : {}),
  };
}

function ownProperties(value: JsonValue | undefined): JsonObject {
  return isObject(value) ? value : {};
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Glance counts whole GiB and MiB; what is smaller takes a whole one. */
function inUnits(value: JsonValue | undefined, unitBytes: number): string | undefined {
  const bytes = typeof value === 'string' ? parseSize(value) : undefined;
  return bytes === undefined ? undefined : String(Math.ceil(bytes / unitBytes));
}

/** The part of an image's properties that is wanted, or was when it was last written. */
export function foundProperties(raw: RawImage, wanted: RemoteProperties): RemoteProperties {
  const names = new Set([...Object.keys(wanted), ...managedBy(raw)]);
  names.delete(membersName);
  return Object.fromEntries(
    [...names].flatMap((name) => {
      const value = raw[name];
      return isScalar(value) ? [[name, String(value)]] : [];
    }),
  );
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** What `fgimage_properties` of an image lists. */
export function managedBy(raw: RawImage): readonly string[] {
  const list = raw[managedName];
  return typeof list === 'string' ? list.split(',').filter((name) => name !== '' && !isOwn(name)) : [];
}

function isOwn(name: string): boolean {
  return name.startsWith('fgimage_');
}

export function managedList(wanted: RemoteProperties): string {
  return Object.keys(wanted).toSorted().join(',');
}

/** The body that makes an image, without its id and formats. */
export function creationBody(wanted: RemoteProperties): Readonly<Record<string, unknown>> {
  const values = Object.entries(wanted).flatMap(([name, text]) =>
    // Protected comes last: an image that went wrong has to go again.
    name === membersName || name === 'protected' ? [] : [[name, typedValue(name, text)]],
  );
  return {visibility: attributes['visibility'], ...(Object.fromEntries(values) as object)};
}

export interface PatchOperation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: unknown;
}

/** Changes as `application/openstack-images-v2.1-json-patch` says them. */
export function patchOf(
  raw: RawImage,
  changes: readonly Pick<PropertyChange, 'name' | 'to'>[],
): PatchOperation[] {
  return changes.flatMap(({name, to}): PatchOperation[] => {
    if (name === membersName) return [];
    const path = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const attribute = attributes[name];
    if (attribute !== undefined)
      return [{op: 'replace', path, value: to === undefined ? attribute : typedValue(name, to)}];
    const isThere = raw[name] !== undefined;
    if (to === undefined) return isThere ? [{op: 'remove', path}] : [];
    return [{op: isThere ? 'replace' : 'add', path, value: to}];
  });
}

function typedValue(name: string, text: string): string | number | boolean {
  const usual = attributes[name];
  if (typeof usual === 'boolean') return text === 'true';
  return typeof usual === 'number' ? Number(text) : text;
}

/** The mark, and what an image is found by. */
export const markTag = 'fgimage';

export function markOf(raw: RawImage): {readonly digest: string; readonly lineage: string} | undefined {
  const {[markNames.digest]: digest, [markNames.lineage]: lineage} = raw;
  return typeof digest === 'string' && typeof lineage === 'string' ? {digest, lineage} : undefined;
}
