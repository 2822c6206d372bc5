import {parseSize} from '../../src/size.ts';
import type {Image, JsonObject, JsonValue} from '../../src/spec/image.ts';
import type {
  BootPlan,
  DiskFormat,
  DiskOutput,
  DiskPackPlan,
  Firmware,
  ImageOutput,
  Platform,
  StorageLayout,
} from '../contract.ts';
import {withConsoles} from './console.ts';

/**
 * What targets with a disk have in common: `storage` of the spec and the options of `disk-schema.ts` as a plan. The
 * serial console comes last: it is the one that clouds show.
 */
const serialConsole = 'console=tty0 console=ttyS0,115200n8';

export interface DiskRequest {
  readonly image: Image;
  readonly options: JsonObject;
  /** Where `options.firmware` says nothing. */
  readonly firmware?: Firmware;
  /** Absent: by `options.format`. */
  readonly outputs?: readonly DiskOutput[];
  /** What the infrastructure wants of the layout whatever the spec says. */
  readonly storage?: Partial<StorageLayout>;
  /** Kernel arguments before those of the spec. */
  readonly cmdline?: string;
}

export function diskPlan(request: DiskRequest): DiskPackPlan {
  const {image, options, outputs = formatOutputs(options['format'])} = request;
  const loader = image.storage.loader ?? 'grub';
  const firmware = firmwareOf(options, request.firmware);
  // systemd-boot is for UEFI only, and so are machines of arm64.
  const isUefi = loader === 'systemd-boot' || image.os.architecture === 'arm64';
  return {
    kind: 'disk',
    firmware: isUefi && firmware === 'both' ? 'uefi' : firmware,
    loader,
    cmdline: diskCmdline(request),
    storage: {...storageOf(image, options), ...request.storage},
    outputs,
  };
}

/** The kernel command line: the infrastructure's, the image's, the target's. */
export function diskCmdline({image, options, cmdline = serialConsole}: DiskRequest): string {
  return [withConsoles(cmdline, image), image.kernel.cmdline, options['cmdline']]
    .filter((part) => typeof part === 'string')
    .join(' ');
}

export function storageOf(image: Image, {size}: JsonObject): StorageLayout {
  const {storage} = image;
  const sizeBytes = typeof size === 'string' ? parseSize(size) : storage.size_bytes;
  return {
    table: storage.table ?? 'gpt',
    ...(sizeBytes === undefined ? {} : {sizeBytes}),
    ...(storage.fit === undefined ? {} : {fit: storage.fit}),
    root: {filesystem: storage.filesystem ?? 'ext4'},
    ...(storage.boot === undefined
      ? {}
      : {boot: {filesystem: storage.boot.filesystem, sizeBytes: storage.boot.size_bytes}}),
    ...(storage.swap_bytes === undefined ? {} : {swapBytes: storage.swap_bytes}),
    mounts: (storage.mounts ?? []).map(({path, filesystem, size_bytes: bytes}) => ({
      path,
      filesystem,
      sizeBytes: bytes,
    })),
  };
}

/** The disk in each format that is asked for, as `disk.<format>`. */
export function formatOutputs(formats: JsonValue | undefined): readonly ImageOutput[] {
  const wanted = Array.isArray(formats) ? formats : [formats];
  return wanted.map((format) => imageOutput(format));
}

const diskFormats: readonly DiskFormat[] = ['qcow2', 'raw', 'vmdk', 'vhd', 'vdi'];

function imageOutput(format: unknown): ImageOutput {
  const known = diskFormats.find((one) => one === format);
  if (known === undefined) throw new Error(`Unchecked option format: ${JSON.stringify(format)}`);
  return {kind: 'image', format: known, fileName: `disk.${known}`};
}

export function firmwareOf({firmware}: JsonObject, usual?: Firmware): Firmware {
  const known = firmware ?? usual;
  if (known !== 'bios' && known !== 'uefi' && known !== 'both')
    throw new Error(`Unchecked option firmware: ${JSON.stringify(firmware)}`);
  return known;
}

export interface DiskBoots {
  readonly platform: Platform;
  readonly bus?: 'virtio' | 'nvme' | 'scsi' | 'ide';
  readonly firmware?: Firmware;
}

const defaultTestMemoryMiB = 1024;

/** One boot for each firmware that the disk is for. */
export function diskBoots(options: JsonObject, {platform, bus, firmware}: DiskBoots): readonly BootPlan[] {
  const wanted = firmwareOf(options, firmware);
  const modes = wanted === 'both' ? (['bios', 'uefi'] as const) : [wanted];
  return modes.map((mode) => ({
    kind: 'disk',
    name: mode,
    firmware: mode,
    platform,
    ...(bus === undefined ? {} : {bus}),
    memoryMiB: testMemoryMiB(options),
  }));
}

export function testMemoryMiB({test}: JsonObject, usual = defaultTestMemoryMiB): number {
  const memory = typeof test === 'object' && test !== null && 'memory' in test ? test['memory'] : undefined;
  const bytes = typeof memory === 'string' ? parseSize(memory) : undefined;
  return bytes === undefined ? usual : Math.ceil(bytes / (1 << 20));
}
