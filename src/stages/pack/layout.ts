import type {DiskPackPlan, Filesystem} from '../../../targets/contract.ts';
import {derivedUuid} from '../../plan/key.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {Os} from '../../spec/image.ts';
import {leastBytes} from './file-system-size.ts';
import type {Content} from './measure.ts';
import {
  mebibyte,
  type PartitionRequest,
  type PartitionType,
  type PlacedPartition,
  placePartitions,
} from './partitions.ts';

/** A file system of the disk with a part of the tree. */
export interface Volume {
  /** Name of its partition, and its label. */
  readonly name: string;
  /** Where it is mounted. */
  readonly path: string;
  readonly filesystem: Filesystem;
  readonly uuid: string;
  /** Its own size; absent: what is left, which only the root takes. */
  readonly sizeBytes?: number;
}

/** What a disk consists of, before its size is known. */
export interface DiskParts {
  readonly diskUuid: string;
  /** The root first, then by path: a mount point comes before what is below it. */
  readonly volumes: readonly Volume[];
  readonly swap?: {readonly uuid: string; readonly sizeBytes: number};
  readonly esp?: {readonly id: string; readonly sizeMiB: number};
  readonly biosBoot: boolean;
}

/** GRUB needs little there; a unified kernel image holds a kernel and its initial RAM disk, and upgrades bring more. */
const espMiB = {grub: 64, 'systemd-boot': 512, none: 64} as const;
/** Of FAT32, with clusters of one sector. */
const gibibyte = 1024 * mebibyte;

/** Ids are derived from `identity`: the same content has the same ones. */
export function diskParts({storage, firmware, loader}: DiskPackPlan, identity: string): DiskParts {
  const {table, root, boot, swapBytes, mounts} = storage;
  const id = (role: string): string => derivedUuid(identity, role);
  const volumes: Volume[] = [
    ...(boot === undefined ? [] : [{name: 'boot', path: '/boot', uuid: id('boot'), ...boot}]),
    ...mounts.map((mount, index) => ({
      name: `data${String(index + 1)}`,
      uuid: id(`mount:${mount.path}`),
      ...mount,
    })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
  return {
    diskUuid: id('disk'),
    volumes: [{name: 'root', path: '/', uuid: id('root'), ...root}, ...volumes],
    ...(swapBytes === undefined ? {} : {swap: {uuid: id('swap'), sizeBytes: swapBytes}}),
    ...(table === 'none' || loader === 'none' || firmware === 'bios'
      ? {}
      : {esp: {id: id('esp').slice(0, 8), sizeMiB: espMiB[loader]}}),
    biosBoot: table !== 'none' && loader === 'grub' && firmware !== 'uefi',
  };
}

export interface PlacedDisk {
  readonly sizeBytes: number;
  /** By name: `bios`, `esp`, `swap`, and the names of the volumes. Of a disk without a table the root alone, at 0. */
  readonly partitions: readonly PlacedPartition[];
}

export interface LayoutRequest {
  readonly plan: DiskPackPlan;
  readonly parts: DiskParts;
  readonly identity: string;
  readonly content: ReadonlyMap<string, Content>;
  readonly architecture: Os['architecture'];
}

/** Gives each part its place: the root comes last, so that it can grow with the disk. */
export function placeDisk(request: LayoutRequest): Result<PlacedDisk, StageFailure> {
  const {plan, parts, identity, content, architecture} = request;
  const {storage} = plan;
  const small = tooSmallVolume(parts, content);
  if (small !== undefined) return fail(small);
  const before = partitionsBeforeRoot({plan, parts, identity});
  if (storage.table === 'mbr' && before.length > 3) return fail(tooManyPartitions(before));
  const [root] = parts.volumes;
  if (root === undefined) throw new Error('The disk has no root');
  const inRoot = contentOf(root, content);
  const besideMiB =
    storage.table === 'none' ? 0 : 2 + before.reduce((sum, {sizeMiB = 0}) => sum + sizeMiB, 0);
  const least = diskBytes(
    leastBytes(root.filesystem, inRoot) + besideMiB * mebibyte,
    storage.multipleOfBytes,
  );
  const {sizeBytes: wanted, fit} = storage;
  if (wanted !== undefined && wanted < least) return fail(tooSmallDisk(wanted, least, inRoot));
  const fitted =
    fit === 'minimal'
      ? least
      : diskBytes(
          Math.ceil((1.5 * leastBytes(root.filesystem, inRoot) + besideMiB * mebibyte) / halfGibibyte) *
            halfGibibyte,
          storage.multipleOfBytes,
        );
  const sizeBytes = wanted === undefined ? fitted : diskBytes(wanted, storage.multipleOfBytes);
  if (storage.table === 'mbr' && sizeBytes > mostMbrBytes) return fail(tooLargeForMbr());
  const rootPartition: PartitionRequest = {
    name: 'root',
    type: architecture === 'arm64' ? 'rootArm64' : 'rootAmd64',
    uuid: derivedUuid(identity, 'root-partition'),
  };
  const partitions =
    storage.table === 'none'
      ? [{...rootPartition, firstSector: 0, sectors: sizeBytes / 512}]
      : placePartitions([...before, rootPartition], sizeBytes / mebibyte);
  return ok({sizeBytes, partitions});
}

const halfGibibyte = gibibyte / 2;
/** Sectors are counted in 32 bits. */
const mostMbrBytes = 2 ** 32 * 512;

function partitionsBeforeRoot({
  plan: {storage},
  parts: {biosBoot, esp, swap, volumes},
  identity,
}: Pick<LayoutRequest, 'plan' | 'parts' | 'identity'>): readonly PartitionRequest[] {
  if (storage.table === 'none') return [];
  const part = (name: string, type: PartitionType, sizeMiB: number, role = `${name}-partition`) => ({
    name,
    type,
    sizeMiB,
    uuid: derivedUuid(identity, role),
  });
  return [
    ...(biosBoot && storage.table === 'gpt' ? [part('bios', 'biosBoot', 1, 'bios')] : []),
    ...(esp === undefined ? [] : [part('esp', 'efiSystem', esp.sizeMiB, 'efi')]),
    ...volumes
      .filter(({path}) => path !== '/')
      .map(({name, path, sizeBytes = 0}) =>
        part(name, path === '/boot' ? 'boot' : 'linux', Math.ceil(sizeBytes / mebibyte)),
      ),
    ...(swap === undefined ? [] : [part('swap', 'swap', Math.ceil(swap.sizeBytes / mebibyte))]),
  ];
}

/** In whole MiB, and in whole units of what the infrastructure counts in. */
function diskBytes(bytes: number, multipleOfBytes = mebibyte): number {
  const unit = Math.max(mebibyte, multipleOfBytes);
  return Math.ceil(bytes / unit) * unit;
}

function contentOf({path}: Volume, content: ReadonlyMap<string, Content>): Content {
  const found = content.get(path);
  if (found === undefined) throw new Error(`What is below ${path} was not measured`);
  return found;
}

function tooSmallVolume(
  {volumes}: DiskParts,
  content: ReadonlyMap<string, Content>,
): StageFailure | undefined {
  for (const volume of volumes) {
    const least = leastBytes(volume.filesystem, contentOf(volume, content));
    if (volume.sizeBytes === undefined || volume.sizeBytes >= least) continue;
    const option =
      volume.path === '/boot' ? 'storage.boot.size' : `the size of ${volume.path} in storage.mounts`;
    return {
      reason: 'refused',
      message: `${mib(volume.sizeBytes)} are too few for ${volume.path} on ${volume.filesystem}: there is ${treeMib(contentOf(volume, content))} in it`,
      hint: `Set ${option} to ${mib(least, '')} or more`,
    };
  }
  return undefined;
}

function tooSmallDisk(wanted: number, least: number, content: Content): StageFailure {
  return {
    reason: 'refused',
    message: `A disk of ${mib(wanted)} is too small for a tree of ${treeMib(content)}`,
    hint: `Set storage.size to ${mib(least, '')} or more, or leave it out to have it fitted`,
  };
}

function tooManyPartitions(before: readonly PartitionRequest[]): StageFailure {
  const names = [...before.map(({name}) => name), 'root'];
  return {
    reason: 'refused',
    message: `An MBR has room for four partitions, and the disk would have ${String(names.length)}: ${names.join(', ')}`,
    hint: 'Write `table: gpt` in storage, or leave one of the others out',
  };
}

function tooLargeForMbr(): StageFailure {
  return {
    reason: 'refused',
    message: 'An MBR can divide no disk of more than 2 TiB',
    hint: 'Write `table: gpt` in storage',
  };
}

function mib(bytes: number, blank = ' '): string {
  return `${String(Math.ceil(bytes / mebibyte))}${blank}MiB`;
}

function treeMib({blocks}: Content): string {
  return mib(blocks * 4096);
}
