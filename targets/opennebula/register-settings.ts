import {parseSize} from '../../src/size.ts';
import type {JsonObject, JsonValue} from '../../src/spec/image.ts';

/** The options under `register`, as the schema has accepted and filled them. */
export interface RegisterSettings {
  readonly endpoint?: string;
  readonly ca?: string;
  readonly datastore: string | number;
  readonly isPersistent: boolean;
  readonly devPrefix: string;
  readonly description?: string;
  readonly labels: readonly string[];
  readonly attributes: Readonly<Record<string, string>>;
  readonly owner?: string;
  readonly group?: string;
  readonly permissions?: string;
  readonly template?: VmTemplateSettings;
  readonly transfer: TransferSetting;
}

export interface VmTemplateSettings {
  readonly name?: string;
  readonly cpu: number;
  readonly vcpu?: number;
  readonly memoryMiB: number;
  readonly networks: readonly {readonly name: string; readonly owner?: string; readonly model?: string}[];
  readonly machine?: string;
  readonly firmware?: string;
  readonly hasGraphics: boolean;
  readonly context: Readonly<Record<string, string>>;
}

/** How the front-end gets the disk. `usual`: by the endpoint. */
export type TransferSetting =
  | {readonly kind: 'usual'}
  | {readonly kind: 'path'; readonly folder: string}
  | {readonly kind: 'http'; readonly url: string}
  | {readonly kind: 'serve'; readonly host: string; readonly port: number};

export function registerSettings({register}: JsonObject): RegisterSettings {
  const options = objectOf(register);
  return {
    ...text(options, 'endpoint'),
    ...text(options, 'ca'),
    datastore:
      typeof options['datastore'] === 'number'
        ? options['datastore']
        : textOr(options['datastore'], 'default'),
    isPersistent: options['persistent'] === true,
    devPrefix: textOr(options['dev_prefix'], 'vd'),
    ...text(options, 'description'),
    labels: textsOf(options['labels']),
    attributes: textRecord(options['attributes']),
    ...text(options, 'owner'),
    ...text(options, 'group'),
    ...text(options, 'permissions'),
    ...(options['template'] === undefined ? {} : {template: vmTemplateOf(objectOf(options['template']))}),
    transfer: transferOf(options),
  };
}

function vmTemplateOf(options: JsonObject): VmTemplateSettings {
  const {networks, cpu, vcpu, memory} = options;
  return {
    ...text(options, 'name'),
    cpu: typeof cpu === 'number' ? cpu : 1,
    ...(typeof vcpu === 'number' ? {vcpu} : {}),
    memoryMiB: Math.ceil((parseSize(textOr(memory, '1GiB')) ?? 0) / (1 << 20)),
    networks: listOf(networks).map(networkOf),
    ...text(options, 'machine'),
    ...text(options, 'firmware'),
    hasGraphics: options['graphics'] !== false,
    context: textRecord(options['context']),
  };
}

function networkOf(network: JsonValue): VmTemplateSettings['networks'][number] {
  if (typeof network === 'string') return {name: network};
  const options = objectOf(network);
  return {name: textOr(options['name'], ''), ...text(options, 'owner'), ...text(options, 'model')};
}

function transferOf({path, http_source: url, serve}: JsonObject): TransferSetting {
  if (typeof path === 'string') return {kind: 'path', folder: path};
  if (typeof url === 'string') return {kind: 'http', url};
  if (typeof serve !== 'string') return {kind: 'usual'};
  const {host = serve, port} = /^(?<host>\[.*\]|[^:]*)(:(?<port>\d+))?$/.exec(serve)?.groups ?? {};
  return {kind: 'serve', host: host.replaceAll(/[[\]]/g, ''), port: Number(port ?? 0)};
}

/** An entry with its own name, or nothing: optional properties are absent, never undefined. */
function text<Name extends string>(options: JsonObject, name: Name): {readonly [Key in Name]?: string} {
  const value = options[name];
  return typeof value === 'string' ? ({[name]: value} as {readonly [Key in Name]: string}) : {};
}

function textOr(value: JsonValue | undefined, usual: string): string {
  return typeof value === 'string' ? value : usual;
}

function textsOf(value: JsonValue | undefined): readonly string[] {
  return listOf(value).filter((one) => typeof one === 'string');
}

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}

function textRecord(value: JsonValue | undefined): Readonly<Record<string, string>> {
  const entries = Object.entries(objectOf(value)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(entries);
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
