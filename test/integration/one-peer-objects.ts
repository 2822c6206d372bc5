import {XMLParser} from 'fast-xml-parser';

/** The objects of the peer, and their documents by share/doc/xsd/{image,vmtemplate}.xsd. */
export interface PeerDatastore {
  readonly id: number;
  readonly name: string;
  /** 0: images, 1: system, 2: files. */
  readonly type: number;
  readonly freeMiB: number;
}

export interface PeerObject {
  readonly id: number;
  uid: number;
  owner: string;
  gid: number;
  group: string;
  name: string;
  /** Use, manage, administer of owner, group, others. */
  permissions: readonly number[];
  readonly registeredAt: number;
  readonly template: Template;
  state: number;
  persistent: boolean;
  path: string;
  source: string;
  format: string;
  sizeMiB: number;
  readonly datastore?: PeerDatastore;
  readonly driver?: string;
}

/** Attributes by name; a name may come more than once. */
export type Template = Map<string, (string | Readonly<Record<string, string>>)[]>;

const parser = new XMLParser({
  preserveOrder: true,
  parseTagValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  htmlEntities: true,
});

type Node = Readonly<Record<string, readonly Node[] | string>>;

/** Template::from_xml: what has elements in it is a vector. The syntax NAME="value" is not known here. */
export function readTemplate(text: string, refusal: (message: string) => Error): Template {
  if (!text.startsWith('<')) throw refusal('Parse error: syntax error.');
  const [root, ...more] = parser.parse(text) as readonly Node[];
  const [rootName = ''] = Object.keys(root ?? {});
  const children = root?.[rootName];
  if (more.length > 0 || !Array.isArray(children)) throw refusal('Parse error: XML Template malformed.');
  const template: Template = new Map();
  for (const node of children as readonly Node[]) {
    const [name = '', content] = Object.entries(node)[0] ?? [];
    if (name === '#text') throw refusal('Parse error: text between attributes.');
    if (!/^[A-Z][A-Z0-9_]*$/.test(name)) throw refusal(`Parse error: ${name}.`);
    template.set(name, [...(template.get(name) ?? []), attributeValue(content as readonly Node[])]);
  }
  return template;
}

function attributeValue(nodes: readonly Node[]): string | Readonly<Record<string, string>> {
  const isVector = nodes.some((node) => !('#text' in node));
  if (!isVector) return textOf(nodes);
  return Object.fromEntries(
    nodes.map((node) => {
      const [name = '', content] = Object.entries(node)[0] ?? [];
      return [name, textOf(content as readonly Node[])];
    }),
  );
}

function textOf(nodes: readonly Node[]): string {
  return nodes.map((node) => (typeof node['#text'] === 'string' ? node['#text'] : '')).join('');
}

export function poolDocument(name: string, documents: readonly string[]): string {
  return `<${name}>${documents.join('')}</${name}>`;
}

export function documentOf(kind: 'IMAGE' | 'VMTEMPLATE', object: PeerObject): string {
  const {id, uid, gid, owner, group, name, registeredAt} = object;
  const head = `<ID>${id}</ID><UID>${uid}</UID><GID>${gid}</GID><UNAME>${owner}</UNAME><GNAME>${group}</GNAME><NAME>${name}</NAME>${permissionsOf(object)}`;
  const template = `<TEMPLATE>${attributesOf(object.template)}</TEMPLATE>`;
  if (kind === 'VMTEMPLATE')
    return `<VMTEMPLATE>${head}<REGTIME>${registeredAt}</REGTIME>${template}</VMTEMPLATE>`;
  const {state, persistent, path, source, format, sizeMiB, datastore} = object;
  return `<IMAGE>${head}<TYPE>0</TYPE><DISK_TYPE>0</DISK_TYPE><PERSISTENT>${persistent ? 1 : 0}</PERSISTENT><REGTIME>${registeredAt}</REGTIME><MODTIME>${registeredAt}</MODTIME><SOURCE>${cdata(source)}</SOURCE><PATH>${cdata(path)}</PATH><FORMAT>${cdata(format)}</FORMAT><FS></FS><SIZE>${sizeMiB}</SIZE><STATE>${state}</STATE><PREV_STATE>${state}</PREV_STATE><RUNNING_VMS>0</RUNNING_VMS><CLONING_OPS>0</CLONING_OPS><CLONING_ID>-1</CLONING_ID><TARGET_SNAPSHOT>-1</TARGET_SNAPSHOT><DATASTORE_ID>${datastore?.id ?? -1}</DATASTORE_ID><DATASTORE>${datastore?.name ?? ''}</DATASTORE><VMS></VMS><CLONES></CLONES><APP_CLONES></APP_CLONES>${template}<SNAPSHOTS><ALLOW_ORPHANS><![CDATA[NO]]></ALLOW_ORPHANS><CURRENT_BASE><![CDATA[-1]]></CURRENT_BASE><NEXT_SNAPSHOT><![CDATA[0]]></NEXT_SNAPSHOT></SNAPSHOTS><BACKUP_INCREMENTS></BACKUP_INCREMENTS></IMAGE>`;
}

function permissionsOf({permissions}: PeerObject): string {
  const names = ['OWNER', 'GROUP', 'OTHER'].flatMap((who) => ['U', 'M', 'A'].map((what) => `${who}_${what}`));
  const bits = names.map((name, index) => `<${name}>${permissions[index] ?? 0}</${name}>`);
  return `<PERMISSIONS>${bits.join('')}</PERMISSIONS>`;
}

/** Sorted, as the server keeps them in a multimap. */
function attributesOf(template: Template): string {
  return [...template]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, values]) => values.map((value) => `<${name}>${contentOf(value)}</${name}>`))
    .join('');
}

function contentOf(value: string | Readonly<Record<string, string>>): string {
  if (typeof value === 'string') return cdata(value);
  return Object.entries(value)
    .map(([name, text]) => `<${name}>${cdata(text)}</${name}>`)
    .join('');
}

function cdata(text: string): string {
  return `<![CDATA[${text.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`;
}
