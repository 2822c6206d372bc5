import type {Image} from '../../src/spec/image.ts';

/** The first serial port of a PC, at the speed that clouds show. */
const pcConsole = 'console=ttyS0,115200n8';
/** The PL011 that machines of arm64 have in its place (QEMU's `virt`, most clouds). */
const armConsole = 'console=ttyAMA0,115200n8';

/**
 * A kernel command line with the serial consoles that machines of an architecture have. The last one that is there is
 * /dev/console; every one of them shows the kernel and asks for a login.
 */
export function withConsoles(
  cmdline: string,
  {os}: Pick<Image, 'os'>,
  usual: 'PL011' | '8250' = 'PL011',
): string {
  if (os.architecture !== 'arm64' || cmdline.includes(armConsole)) return cmdline;
  const both = usual === 'PL011' ? `${pcConsole} ${armConsole}` : `${armConsole} ${pcConsole}`;
  return cmdline.replace(pcConsole, both);
}
