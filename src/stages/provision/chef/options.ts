import type {JsonObject, JsonValue} from '../../../spec/image.ts';
import {plainPath} from '../../../spec/paths.ts';
import type {Interpreted} from '../../../spec/provision-kinds.ts';
import type {Path} from '../../../spec/tree.ts';
import type {WrittenChef} from './schema.ts';

/** The options of a step, as its key has them. */
export interface ChefOptions {
  readonly run_list: readonly string[];
  readonly attributes: readonly AttributeSource[];
  /** Absent: the folder `cookbooks`, where it is there; so with the others. */
  readonly cookbooks?: readonly string[];
  /** The Policyfile.lock.json. */
  readonly policy_lock?: string;
  readonly named_run_list?: string;
  /** The Berksfile.lock. */
  readonly berks_lock?: string;
  readonly environment?: string;
  readonly environments?: string;
  readonly roles?: string;
  readonly data_bags?: string;
  readonly data_bag_secret?: string;
  readonly chef_license?: string;
  readonly client: 'chef' | 'cinc';
  readonly version?: string;
  readonly from: ClientSource;
  readonly log_level: string;
  readonly minimal_ohai: boolean;
}

/** Attributes as the spec has them, or a JSON file of the project. */
export type AttributeSource = {readonly values: JsonObject} | {readonly file: string};

/** Where the client comes from. */
export type ClientSource =
  | {readonly kind: 'package'; readonly name: string; readonly keep: boolean}
  /** A .deb of the project: unpacked beside the image and mounted, or installed where it is kept. */
  | {readonly kind: 'deb'; readonly path: string; readonly sha256: string; readonly keep: boolean}
  | {readonly kind: 'installed'; readonly path?: string};

export function interpretChef(given: WrittenChef): Interpreted {
  const named: {at: Path; path: string; folder?: boolean}[] = [];
  const file = (at: Path, path: string): string => {
    named.push({at, path});
    return plainPath(path);
  };
  const folder = (at: Path, path: string): string => {
    named.push({at, path, folder: true});
    return plainPath(path);
  };
  const {cookbooks, policyfile, berksfile, environments, roles, data_bags: dataBags} = given;
  const options: ChefOptions = {
    run_list: given.run_list ?? [],
    attributes: attributeSources(given, file),
    ...(cookbooks === undefined ? {} : {cookbooks: eachPath(cookbooks, folder)}),
    ...(policyfile === undefined ? {} : {policy_lock: policyLock(file(['policyfile'], policyfile))}),
    ...(given.named_run_list === undefined ? {} : {named_run_list: given.named_run_list}),
    ...(berksfile === undefined ? {} : {berks_lock: berksLock(file(['berksfile'], berksfile))}),
    ...(given.environment === undefined ? {} : {environment: given.environment}),
    ...(environments === undefined ? {} : {environments: folder(['environments'], environments)}),
    ...(roles === undefined ? {} : {roles: folder(['roles'], roles)}),
    ...(dataBags === undefined ? {} : {data_bags: folder(['data_bags'], dataBags)}),
    ...(given.data_bag_secret === undefined ? {} : {data_bag_secret: given.data_bag_secret}),
    ...(given.chef_license === undefined ? {} : {chef_license: given.chef_license}),
    client: given.client ?? 'chef',
    ...(given.version === undefined ? {} : {version: given.version}),
    from: clientSource(given, file),
    log_level: given.log_level ?? 'warn',
    minimal_ohai: given.minimal_ohai ?? false,
  };
  return {
    options: options as unknown as JsonObject,
    files: named,
    ...(given.data_bag_secret === undefined
      ? {}
      : {secrets: [{at: ['data_bag_secret'], name: given.data_bag_secret}]}),
  };
}

type Named = (at: Path, path: string) => string;

function attributeSources({attributes}: WrittenChef, file: Named): readonly AttributeSource[] {
  if (attributes === undefined) return [];
  const source = (value: string | Readonly<Record<string, unknown>>, at: Path): AttributeSource =>
    typeof value === 'string'
      ? {file: file(at, value)}
      : {values: value as Readonly<Record<string, JsonValue>>};
  return Array.isArray(attributes)
    ? attributes.map((one, index) => source(one, ['attributes', index]))
    : [source(attributes, ['attributes'])];
}

function eachPath(paths: string | readonly string[], folder: Named): readonly string[] {
  return typeof paths === 'string'
    ? [folder(['cookbooks'], paths)]
    : paths.map((path, index) => folder(['cookbooks', index], path));
}

function policyLock(path: string): string {
  return path.endsWith('.lock.json') ? path : `${path.replace(/\.rb$/, '')}.lock.json`;
}

function berksLock(path: string): string {
  return path.endsWith('.lock') ? path : `${path}.lock`;
}

function clientSource(given: WrittenChef, file: Named): ClientSource {
  const {package: name, deb, sha256 = '', installed, keep_client: keep = false} = given;
  if (deb !== undefined) return {kind: 'deb', path: file(['deb'], deb), sha256, keep};
  if (name !== undefined) return {kind: 'package', name, keep};
  return {kind: 'installed', ...(typeof installed === 'string' ? {path: installed} : {})};
}
