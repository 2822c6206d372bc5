import {join} from 'node:path';
import type {Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext} from '../stage.ts';
import {runTool} from '../tool.ts';
import {sourceDateEpoch} from '../tree.ts';
import {settleExt4} from './ext4-times.ts';
import type {FileSystemRequest} from './file-system.ts';
import {ext4InodeRatio} from './file-system-size.ts';
import {treeXattrs, writeExt4Xattrs} from './xattrs.ts';

/** Writes an ext4 file system with a part of the tree by mke2fs(8), which opens the file itself, at an offset. */
export async function writeExt4(
  context: StageContext,
  request: FileSystemRequest,
): Promise<Result<void, StageFailure>> {
  const {volume, disk, offset, sizeBytes, above, binds, content} = request;
  const xattrs = await treeXattrs(context, {above, binds, path: volume.path});
  if (!xattrs.ok) return xattrs;
  context.progress(`Writing the file system ${volume.path}`);
  const epoch = sourceDateEpoch(context);
  const written = await runTool(context, {
    program: 'mke2fs',
    tree: {above, binds},
    args: (at) => [
      '-q',
      '-F',
      '-t',
      'ext4',
      '-b',
      '4096',
      '-I',
      '256',
      '-i',
      String(ext4InodeRatio(content, sizeBytes)),
      '-m',
      '1',
      '-L',
      volume.name,
      '-U',
      volume.uuid,
      // GRUB 2.06 and Debian 11's e2fsck know neither of these features.
      '-O',
      '^orphan_file,^metadata_csum_seed',
      '-E',
      `offset=${String(offset)},hash_seed=${volume.uuid},lazy_itable_init=1,nodiscard${xattrs.value === undefined ? '' : ',no_copy_xattrs'}`,
      '-d',
      at('tree', volume.path),
      at('work', disk),
      `${String(sizeBytes / 1024)}k`,
    ],
    // e2fsprogs before 1.47.1 knows the first of the two, and nothing of SOURCE_DATE_EPOCH.
    env: {E2FSPROGS_FAKE_TIME: String(epoch), MKE2FS_DEVICE_SECTSIZE: '512'},
  });
  if (!written.ok) return written;
  if (xattrs.value !== undefined) {
    const added = await writeExt4Xattrs(context, {xattrs: xattrs.value, file: disk, offset});
    if (!added.ok) return added;
  }
  settleExt4(join(context.work, disk), {offset, epoch, folder: content.folder});
  return written;
}
