import {copyFileSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {type NetbootPackPlan, netbootFiles} from '../../../targets/contract.ts';
import {fail, ok} from '../../result.ts';
import {requiredInput} from '../inputs.ts';
import type {StageRunner} from '../stage.ts';
import {mountPoint, runInTree, sourceDateEpoch} from '../tree.ts';
import {takeInventory} from './inventory.ts';

/** Packs a tree into kernel, initial RAM disk, squashfs root and the scripts that boot them over the network. */
export const runNetbootPack: StageRunner = async (context) => {
  const plan = context.node.params['plan'] as unknown as NetbootPackPlan;
  const inventory = await takeInventory(context);
  if (!inventory.ok) return fail({failure: inventory.error});
  const kernel = inventory.value.kernels[0];
  const initramfs = requiredInput(context, context.node.dependsOn[0] ?? '').path;
  const initrd = readdirSync(initramfs).find((name) => name === `initrd.img-${kernel ?? ''}`);
  if (kernel === undefined || initrd === undefined) {
    return fail({
      failure: {
        reason: 'refused',
        message: 'The image has no kernel to boot',
        hint: 'Leave kernel.package out, or name a package that brings /boot/vmlinuz-*',
      },
    });
  }
  copyFileSync(join(initramfs, initrd), join(context.output, netbootFiles.initrd));
  const merged = mountPoint(context);

  const copied = await runInTree(context, {
    inside: 'host',
    command: [
      'cp',
      '--no-dereference',
      '--',
      join(merged, 'boot', `vmlinuz-${kernel}`),
      join(context.output, netbootFiles.kernel),
    ],
  });
  if (!copied.ok) return fail({failure: copied.error});

  context.progress('Writing the squashfs root');
  const {algorithm, level} = plan.compression;
  const squashed = await runInTree(context, {
    inside: 'host',
    command: [
      context.tool('mksquashfs'),
      merged,
      join(context.output, netbootFiles.rootfs),
      '-noappend',
      // Else an image tells which of its files had holes on this disk, which is no part of what a layer is.
      '-no-sparse',
      '-no-progress',
      '-quiet',
      '-comp',
      algorithm,
      ...(level === undefined ? defaultLevel[algorithm] : ['-Xcompression-level', String(level)]),
      // Both are loaded beside the root; a node has no use for them in its memory.
      '-wildcards',
      '-e',
      'boot/vmlinuz-*',
      'boot/initrd.img-*',
    ],
    // mksquashfs refuses -mkfs-time beside this variable, and takes every time from it alone.
    env: {SOURCE_DATE_EPOCH: String(sourceDateEpoch(context))},
  });
  if (!squashed.ok) return fail({failure: squashed.error});

  for (const {path, content} of plan.scripts) {
    const target = join(context.output, path);
    mkdirSync(dirname(target), {recursive: true});
    writeFileSync(target, content);
  }
  return ok({
    result: {
      artifact: netbootFiles.rootfs,
      format: 'netboot',
      packages: inventory.value.packages.map(({name, version, architecture}) => ({
        name,
        version,
        architecture,
      })),
      kernels: [...inventory.value.kernels],
    },
  });
};

/** zstd's own default in mksquashfs, 15, takes fifteen times as long for a tenth less (docs/decisions). */
const defaultLevel = {zstd: ['-Xcompression-level', '3'], xz: [], gzip: []} as const;
