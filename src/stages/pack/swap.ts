/**
 * The header of swap space, as mkswap(8) writes it (Linux, include/linux/swap.h, union swap_header): version 1, pages of
 * 4 KiB, no bad pages. It stands in the first page.
 */
export function swapHeader({sizeBytes, uuid}: {readonly sizeBytes: number; readonly uuid: string}): Buffer {
  const page = Buffer.alloc(pageBytes);
  page.writeUInt32LE(1, infoAt);
  page.writeUInt32LE(Math.floor(sizeBytes / pageBytes) - 1, infoAt + 4);
  page.write(uuid.replaceAll('-', ''), infoAt + 12, 16, 'hex');
  page.write('swap', infoAt + 28, 16, 'latin1');
  page.write('SWAPSPACE2', pageBytes - 10, 10, 'latin1');
  return page;
}

const pageBytes = 4096;
/** What comes before is left to boot sectors. */
const infoAt = 1024;
