import type {Image, JsonObject} from '../../src/spec/image.ts';
import type {DiskOutput, DiskPackPlan, StorageLayout} from '../contract.ts';
import {diskCmdline, storageOf} from './disk.ts';

/** Disks for infrastructures of the time before firmware was a choice: they look into the image, or bring the kernel. */
export interface BareDiskRequest {
  readonly image: Image;
  readonly options: JsonObject;
  readonly outputs: readonly DiskOutput[];
  readonly cmdline?: string;
}

/** The root file system is the first and only partition of an MBR, which GRUB is installed beside. */
export function singlePartitionPlan(request: BareDiskRequest): DiskPackPlan {
  return plan(request, 'mbr', 'grub');
}

/** The root file system is all there is; kernel and initial RAM disk are beside it. */
export function partitionPlan(request: BareDiskRequest): DiskPackPlan {
  return plan(request, 'none', 'none');
}

function plan(
  {image, options, outputs, cmdline}: BareDiskRequest,
  table: StorageLayout['table'],
  loader: DiskPackPlan['loader'],
): DiskPackPlan {
  const {sizeBytes, fit, root} = storageOf(image, options);
  return {
    kind: 'disk',
    firmware: 'bios',
    loader,
    cmdline: diskCmdline({image, options, ...(cmdline === undefined ? {} : {cmdline})}),
    storage: {
      table,
      ...(sizeBytes === undefined ? {} : {sizeBytes}),
      ...(fit === undefined ? {} : {fit}),
      root,
      mounts: [],
    },
    outputs,
  };
}

/** These infrastructures start disks as a PC's BIOS does, whatever loader the other targets of the image have. */
export function withGrub(image: Image): Image {
  return {...image, storage: {...image.storage, loader: 'grub'}};
}

/** What a kernel and its initial RAM disk are called in the artifact folder. */
export const kernelOutputs = [
  {kind: 'kernel', fileName: 'vmlinuz'},
  {kind: 'initrd', fileName: 'initrd.img'},
] as const satisfies readonly DiskOutput[];
