import {copyFileSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {type NetbootPackPlan, netbootFiles} from '../../../targets/contract.ts';
import {fail, ok} from '../../result.ts';
import {requiredInput} from '../inputs.ts';
import type {StageRunner} from '../stage.ts';
import {runTool} from '../tool.ts';
import {scratchFile} from '../tree.ts';
import {takeInventory} from './inventory.ts';
import {squashfsDefinitions, treeXattrs} from './xattrs.ts';

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

  const copied = await runTool(context, {
    program: '/bin/cp',
    tree: {},
    args: (at) => [
      '--no-dereference',
      '--',
      at('tree', 'boot', `vmlinuz-${kernel}`),
      at('output', netbootFiles.kernel),
    ],
  });
  if (!copied.ok) return fail({failure: copied.error});

  const xattrs = await treeXattrs(context);
  if (!xattrs.ok) return fail({failure: xattrs.error});
  const definitions = xattrs.value === undefined ? undefined : squashfsDefinitions(xattrs.value);
  if (xattrs.value !== undefined && definitions === undefined)
    context.warn(
      'A file of the image has an extended attribute without a value: the squashfs root then depends on the file system of the cache',
      'Give the attribute a value',
    );
  scratchFile(context, 'definitions', Buffer.from(definitions ?? '', 'latin1'));

  context.progress('Writing the squashfs root');
  const {algorithm, level} = plan.compression;
  const squashed = await runTool(context, {
    // Its times come from SOURCE_DATE_EPOCH alone: it refuses -mkfs-time beside that variable.
    program: 'mksquashfs',
    tree: {},
    args: (at) => [
      at('tree'),
      at('output', netbootFiles.rootfs),
      '-noappend',
      // Else an image tells which of its files had holes on this disk, which is no part of what a layer is.
      '-no-sparse',
      '-no-progress',
      '-quiet',
      '-comp',
      algorithm,
      ...(level === undefined ? defaultLevel[algorithm] : ['-Xcompression-level', String(level)]),
      ...(definitions === undefined ? [] : ['-xattrs-exclude', '.', '-pf', at('work', 'definitions')]),
      // Both are loaded beside the root; a node has no use for them in its memory.
      '-wildcards',
      '-e',
      'boot/vmlinuz-*',
      'boot/initrd.img-*',
    ],
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
