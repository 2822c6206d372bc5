import {fail, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {Bind} from '../../sandbox/sandbox.ts';
import type {StageContext} from '../stage.ts';
import {NoRoomError} from './file-system-size.ts';
import type {Volume} from './layout.ts';
import type {Content} from './measure.ts';

/** A file system to be written into a disk. */
export interface FileSystemRequest {
  readonly volume: Volume;
  /** The disk, a file of the work folder that is as long as it will be and zero where the file system comes. */
  readonly disk: string;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Layers on top of the tree. */
  readonly above: readonly string[];
  /** Empty folders in the place of what lies in other volumes. */
  readonly binds: readonly Bind[];
  readonly content: Content;
}

/** Writes a file system with what lies below its mount point. */
export async function writeFileSystem(
  context: StageContext,
  request: FileSystemRequest,
): Promise<Result<void, StageFailure>> {
  const {path, filesystem} = request.volume;
  try {
    return await write(context, request);
  } catch (error) {
    if (!(error instanceof NoRoomError)) throw error;
    return fail({
      reason: 'refused',
      message: `What is in ${path} needs more room on ${filesystem} than was reckoned with`,
      hint: path === '/' ? 'Set storage.size to more' : `Give ${path} more room in storage`,
    });
  }
}

async function write(context: StageContext, request: FileSystemRequest): Promise<Result<void, StageFailure>> {
  switch (request.volume.filesystem) {
    case 'ext4':
      return (await import('./ext4.ts')).writeExt4(context, request);
    case 'xfs':
      return (await import('./xfs/write.ts')).writeXfs(context, request);
    case 'btrfs':
      return (await import('./btrfs/write.ts')).writeBtrfs(context, request);
  }
}
