import {type Geometry, sectorBytes, uuidBuffer} from './format.ts';

/**
 * The first two sectors of a log from which nothing is to be recovered: a record that tells of an unmount, in the first
 * round of the log, whose rest is zero (Linux, fs/xfs/libxfs/xfs_log_format.h; as mkfs.xfs leaves it).
 */
export function cleanLog({uuid}: Geometry): Buffer {
  const log = Buffer.alloc(2 * sectorBytes);
  const round = 1;
  const fields = [
    [0, 0xfeed_babe],
    [4, round],
    // Of the log's format.
    [8, 2],
    [12, sectorBytes],
    // Sequence numbers of this record, and of the oldest that counts.
    [16, round],
    [24, round],
    // The record before: none.
    [36, 0xffff_ffff],
    [40, 1],
    // In the place of the first word of the next sector, which holds the round.
    [44, unmountId],
    // Of Linux, little endian.
    [300, 1],
    [320, 32_768],
  ] as const;
  for (const [at, value] of fields) log.writeUInt32BE(value, at);
  uuidBuffer(uuid).copy(log, 304);
  log.writeUInt32BE(round, sectorBytes);
  log.writeUInt32BE(8, sectorBytes + 4);
  // Written by XFS_LOG, an unmount.
  log[sectorBytes + 8] = 0xaa;
  log[sectorBytes + 9] = 0x20;
  log.write('nU', sectorBytes + 12, 'latin1');
  return log;
}

const unmountId = 0xb0c0_d0d0;
