import {childrenNamed, escapeXml, parseXml, textAt, type XmlElement} from '../../src/clients/xml.ts';
import {RemoteError} from '../../src/http/error.ts';

/**
 * The documents of OpenNebula: IMAGE, VMTEMPLATE and their pools (share/doc/xsd), and templates as they are sent.
 *
 * Templates are sent as XML, which every call takes that takes one (Template::parse_str_or_xml): in the other syntax,
 * NAME="value", a value that ends with a backslash takes the quote with it, and what follows is read as its end
 * (template_parser.l). There is no way to write such a value there; in XML there is one for each.
 */
export type TemplateValue = string | Readonly<Record<string, string>>;
export type TemplateEntries = readonly (readonly [name: string, value: TemplateValue])[];

/** A template. An attribute may come more than once; an empty value takes it away where templates are merged. */
export function writeTemplate(entries: TemplateEntries): string {
  const written = entries.map(([name, value]) =>
    element(name, typeof value === 'string' ? escapeXml(value) : vector(value)),
  );
  return `<TEMPLATE>${written.join('')}</TEMPLATE>`;
}

function vector(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => element(name, escapeXml(value)))
    .join('');
}

function element(name: string, content: string): string {
  if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw new Error(`Not the name of an attribute: ${name}`);
  return `<${name}>${content}</${name}>`;
}

/** By number (include/Image.h). */
const imageStates = [
  'INIT',
  'READY',
  'USED',
  'DISABLED',
  'LOCKED',
  'ERROR',
  'CLONE',
  'DELETE',
  'USED_PERS',
  'LOCKED_USED',
  'LOCKED_USED_PERS',
] as const;

export type ImageState = (typeof imageStates)[number] | 'UNKNOWN';

/** What images and VM templates have in common. */
export interface OneObject {
  readonly id: number;
  readonly name: string;
  readonly ownerId: number;
  readonly owner: string;
  readonly groupId: number;
  readonly group: string;
  /** Use, manage and administer for owner, group and others: `640`. */
  readonly mode: string;
  readonly registeredAt: number;
  /** Attributes of the template that hold text. */
  readonly attributes: Readonly<Record<string, string>>;
}

export interface OneImage extends OneObject {
  readonly state: ImageState;
  readonly isPersistent: boolean;
  /** Where the front-end got it. */
  readonly path: string;
  readonly sizeMiB: number;
}

export function readImage(text: string): OneImage {
  return imageOf(rootOf(text, 'IMAGE'));
}

export function readImages(text: string): readonly OneImage[] {
  return childrenNamed(rootOf(text, 'IMAGE_POOL'), 'IMAGE').map(imageOf);
}

export function readVmTemplate(text: string): OneObject {
  return objectOf(rootOf(text, 'VMTEMPLATE'));
}

export function readVmTemplates(text: string): readonly OneObject[] {
  return childrenNamed(rootOf(text, 'VMTEMPLATE_POOL'), 'VMTEMPLATE').map(objectOf);
}

export interface OneDatastore {
  readonly id: number;
  readonly name: string;
  /** 0: images, 1: system, 2: files, 3: backups. */
  readonly type: number;
}

export function readDatastores(text: string): readonly OneDatastore[] {
  return childrenNamed(rootOf(text, 'DATASTORE_POOL'), 'DATASTORE').map((one) => ({
    id: numberAt(one, 'ID'),
    name: textOf(one, 'NAME'),
    type: numberAt(one, 'TYPE'),
  }));
}

/** Ids by name of a USER_POOL or GROUP_POOL. */
export function readNamed(text: string, kind: 'USER' | 'GROUP'): ReadonlyMap<string, number> {
  return new Map(
    childrenNamed(rootOf(text, `${kind}_POOL`), kind).map((one) => [
      textOf(one, 'NAME'),
      numberAt(one, 'ID'),
    ]),
  );
}

function imageOf(image: XmlElement): OneImage {
  return {
    ...objectOf(image),
    state: imageStates[numberAt(image, 'STATE')] ?? 'UNKNOWN',
    isPersistent: numberAt(image, 'PERSISTENT') !== 0,
    path: textAt(image, 'PATH') ?? '',
    sizeMiB: numberAt(image, 'SIZE'),
  };
}

function objectOf(object: XmlElement): OneObject {
  const template = object.children.find(({name}) => name === 'TEMPLATE');
  const attributes = (template?.children ?? []).flatMap((attribute) =>
    attribute.children.length > 0 ? [] : [[attribute.name, attribute.text] as const],
  );
  return {
    id: numberAt(object, 'ID'),
    name: textOf(object, 'NAME'),
    ownerId: numberAt(object, 'UID'),
    owner: textOf(object, 'UNAME'),
    groupId: numberAt(object, 'GID'),
    group: textOf(object, 'GNAME'),
    mode: modeOf(object),
    registeredAt: numberAt(object, 'REGTIME'),
    attributes: Object.fromEntries(attributes),
  };
}

const who = ['OWNER', 'GROUP', 'OTHER'] as const;
const what = ['U', 'M', 'A'] as const;

function modeOf(object: XmlElement): string {
  const bit = (name: string): number => (textAt(object, 'PERMISSIONS', name) === '1' ? 1 : 0);
  return who.map((one) => bit(`${one}_U`) * 4 + bit(`${one}_M`) * 2 + bit(`${one}_A`)).join('');
}

/** The nine arguments of `chmod` for a mode: use, manage, administer for owner, group, others. */
export function flagsOf(mode: string): readonly number[] {
  return Array.from(mode, Number).flatMap((digit) => what.map((_, index) => (digit >> (2 - index)) & 1));
}

function rootOf(text: string, name: string): XmlElement {
  const root = parseXml(text);
  if (root.name !== name) throw new RemoteError('damaged', `OpenNebula gives a ${root.name} for a ${name}`);
  return root;
}

function textOf(element: XmlElement, name: string): string {
  const text = textAt(element, name);
  if (text === undefined) throw new RemoteError('damaged', `A ${element.name} of OpenNebula has no ${name}`);
  return text;
}

function numberAt(element: XmlElement, name: string): number {
  const text = textOf(element, name).trim();
  if (!/^-?\d{1,15}$/.test(text))
    throw new RemoteError('damaged', `${name} of a ${element.name} of OpenNebula is no number`);
  return Number(text);
}
