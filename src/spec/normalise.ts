import {Buffer} from 'node:buffer';
import {normaliseBase} from './base.ts';
import {architectureOf, codeName} from './distributions.ts';
import {sizeBytes, snapshotTime} from './fields.ts';
import type {
  Copy,
  Group,
  Image,
  ImageTarget,
  ImageTest,
  Os,
  PackageRequest,
  Provisioner,
  Services,
  Storage,
  User,
  WriteFile,
} from './image.ts';
import {plainPath} from './paths.ts';
import {normalisePolicy} from './policy.ts';
import type {ProvisionKinds} from './provision-kinds.ts';
import {readStep} from './provision-step.ts';
import type {ImageEntry} from './schema.ts';

type Written<K extends keyof ImageEntry> = NonNullable<ImageEntry[K]>;
type WrittenItem<K extends keyof ImageEntry> = Written<K> extends readonly (infer Item)[] ? Item : never;

export interface NormaliseOptions {
  readonly name: string;
  readonly from?: string;
  readonly targets: readonly ImageTarget[];
  readonly kinds: ProvisionKinds;
  /** Whether a path of the project is an existing file. */
  readonly isFile: (path: string) => boolean;
}

/** What an image says, with every default filled in. The entry has passed the schema and all checks. */
export function normaliseImage(entry: ImageEntry, options: NormaliseOptions): Image {
  const {name, from, targets} = options;
  const os = normaliseOs(entry.os ?? {});
  return {
    name,
    ...defined({description: entry.description}),
    tags: entry.tags ?? [],
    os,
    ...defined({base: entry.base === undefined ? undefined : normaliseBase(entry.base), from}),
    repositories: (entry.repositories ?? []).map(({suites = [], components = [], ...one}) => ({
      ...one,
      suites,
      components,
      signed_by: plainPath(one.signed_by),
    })),
    packages: (entry.packages ?? []).map(normalisePackage),
    remove_packages: entry.remove_packages ?? [],
    groups: (entry.groups ?? []).flatMap(normaliseGroup),
    users: (entry.users ?? []).map(normaliseUser),
    write_files: (entry.write_files ?? []).map(normaliseWriteFile),
    copy: (entry.copy ?? []).map(normaliseCopy),
    provision: (entry.provision ?? []).flatMap((one) => normaliseProvisioner(one, os, options)),
    services: normaliseServices(entry.services ?? {}),
    ...defined({hostname: entry.hostname, locale: entry.locale, timezone: entry.timezone}),
    kernel: entry.kernel ?? {},
    storage: normaliseStorage(entry.storage ?? {}),
    tests: (entry.tests ?? []).map(normaliseTest),
    ...defined({policy: entry.policy === undefined ? undefined : normalisePolicy(entry.policy)}),
    targets,
  };
}

/** With the suffix that systemd assumes. */
export function unitName(name: string): string {
  return /\.(service|socket|target|timer|mount|automount|path|slice|scope|swap|device)$/.test(name)
    ? name
    : `${name}.service`;
}

/** `fields` without the ones that are undefined. */
function defined<T extends object>(fields: T): {[K in keyof T]?: Exclude<T[K], undefined>} {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as {[K in keyof T]?: Exclude<T[K], undefined>};
}

function normaliseOs({distribution = '', release = '', architecture, ...from}: Written<'os'>): Os {
  const {mirror, snapshot, snapshots, signed_by: key} = from;
  const time = snapshot === undefined ? undefined : snapshotTime(snapshot);
  return {
    distribution,
    release: codeName(release, distribution),
    architecture: architectureOf(architecture ?? 'amd64'),
    ...defined({mirror, signed_by: key === undefined ? undefined : plainPath(key)}),
    ...defined({snapshot: time, snapshots}),
  };
}

function normalisePackage(entry: WrittenItem<'packages'>): PackageRequest {
  return typeof entry === 'string' ? {name: entry} : entry;
}

function normaliseGroup(entry: WrittenItem<'groups'>): Group[] {
  if (typeof entry === 'string') return [{name: entry, members: []}];
  if (isGroupObject(entry)) return [{...entry, members: entry.members ?? []}];
  return Object.entries(entry).map(([name, members]) => ({name, members: list(members)}));
}

function isGroupObject(
  entry: object,
): entry is {name: string; gid?: number; system?: boolean; members?: string[]} {
  return 'name' in entry && typeof entry.name === 'string';
}

function normaliseUser(entry: WrittenItem<'users'>): User {
  const {groups, sudo, ssh_authorized_keys: keys, lock_passwd: lock, system, ...rest} = entry;
  const commaList = typeof groups === 'string' ? groups.split(',').map((one) => one.trim()) : groups;
  return {
    ...rest,
    groups: (commaList ?? []).filter((one) => one !== ''),
    sudo: sudo === false || sudo === undefined ? [] : list(sudo),
    ssh_authorized_keys: (keys ?? []).map((key) => key.trim()),
    lock_passwd: lock ?? true,
    system: system ?? false,
  };
}

function normaliseWriteFile(entry: WrittenItem<'write_files'>): WriteFile {
  const {path, content, source, encoding, owner = 'root:root', permissions = '0644', append = false} = entry;
  const text = encoding === undefined || encoding === 'text/plain';
  const base64 =
    text || content === undefined ? undefined : Buffer.from(content, 'base64').toString('base64');
  return {
    path,
    ...defined({
      content: text ? content : undefined,
      content_base64: base64,
      source: source === undefined ? undefined : plainPath(source),
    }),
    owner,
    permissions: mode(permissions),
    append,
  };
}

function normaliseCopy({source, path, owner = 'root:root', permissions, exclude}: WrittenItem<'copy'>): Copy {
  return {
    source: list(source).map(plainPath),
    path,
    owner,
    ...defined({permissions: permissions === undefined ? undefined : mode(permissions)}),
    exclude: (exclude ?? []).map(plainPath),
  };
}

function normaliseProvisioner(
  entry: Readonly<Record<string, unknown>>,
  os: Os,
  {kinds, isFile}: NormaliseOptions,
): Provisioner[] {
  const said = readStep(entry, os);
  if (said === undefined) return [];
  return Object.entries(entry).flatMap(([kind, value]) => {
    const found = kinds.get(kind)?.interpret(value, isFile);
    return found === undefined ? [] : [{kind, options: found.options, ...said}];
  });
}

function normaliseServices({enable = [], disable = [], mask = []}: Written<'services'>): Services {
  const names = (units: readonly string[]): string[] => [...new Set(units.map(unitName))];
  return {enable: names(enable), disable: names(disable), mask: names(mask)};
}

function normaliseStorage({size, boot, swap, mounts, ...said}: Written<'storage'>): Storage {
  const usual = said.filesystem ?? 'ext4';
  return {
    ...(size === undefined ? {} : {size_bytes: sizeBytes(size)}),
    ...said,
    ...(boot === undefined
      ? {}
      : {boot: {filesystem: boot.filesystem ?? 'ext4', size_bytes: sizeBytes(boot.size)}}),
    ...(swap === undefined ? {} : {swap_bytes: sizeBytes(swap)}),
    ...(mounts === undefined
      ? {}
      : {
          mounts: mounts.map((mount) => ({
            path: mount.path,
            filesystem: mount.filesystem ?? usual,
            size_bytes: sizeBytes(mount.size),
          })),
        }),
  };
}

function normaliseTest(entry: WrittenItem<'tests'>): ImageTest {
  if ('command' in entry) {
    const {command, exit_status: exitStatus = 0, stdout = []} = entry;
    return {kind: 'command', command, exit_status: exitStatus, stdout: list(stdout)};
  }
  if ('service' in entry) {
    const {service, running, enabled} = entry;
    const wanted =
      running === undefined && enabled === undefined ? {running: true} : defined({running, enabled});
    return {kind: 'service', service: unitName(service), ...wanted};
  }
  if ('port' in entry) {
    const {port, protocol = 'tcp', listening = true} = entry;
    return {kind: 'port', port, protocol, listening};
  }
  const {file, exists = true, contains = [], owner, permissions} = entry;
  const bits = permissions === undefined ? undefined : mode(permissions);
  return {kind: 'file', file, exists, contains: list(contains), ...defined({owner, permissions: bits})};
}

function list<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

function mode(permissions: string): string {
  return permissions.padStart(4, '0');
}
