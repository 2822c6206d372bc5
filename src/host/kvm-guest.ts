/**
 * The smallest guest that tells whether a virtual machine can run an operating system: a BIOS of 64 KiB that turns on
 * paging, enters 64-bit mode as every kernel does, and ends QEMU through its isa-debug-exit device. Nested and
 * emulated KVMs exist that make a machine, run 16-bit code and hang on the way to 64-bit mode.
 */
const romBytes = 65_536;

/** I/O port of isa-debug-exit, and what the guest writes to it. */
export const exitPort = 0xf4;
const exitValue = 0x31;
/** QEMU's exit code when the guest arrived; QEMU itself never ends with it. */
export const arrivedExitCode = (exitValue << 1) | 1;

/** Offset in the ROM, and machine code or data as hexadecimal bytes; the ROM lies at 0xF0000 too. */
const parts: readonly (readonly [number, string])[] = [
  [0x00, 'ea050000f0'], //            jmp  0xf000:5       out of the copy below 4 GiB
  [0x05, '31c0 8ed8'], //             ds = 0
  [0x09, '66c7060010 03200000'], //   [0x1000] = 0x2003   level 4 points to level 3
  [0x12, '66c7060020 03300000'], //   [0x2000] = 0x3003   level 3 points to level 2
  [0x1b, '66c7060030 83000000'], //   [0x3000] = 0x83     one page of 2 MiB at 0
  [0x24, '66b800100000 0f22d8'], //   cr3 = 0x1000
  [0x2d, '66b820000000 0f22e0'], //   cr4 = PAE
  [0x36, '66b9800000c0 0f32'], //     eax = EFER
  [0x3e, '660d00010000 0f30'], //     EFER = eax | LME
  [0x46, '2e660f01169000'], //        lgdt cs:[0x90]
  [0x4d, '66b811000080 0f22c0'], //   cr0 = PG | ET | PE
  [0x56, '66ea80000f000800'], //      jmp  0x08:0xf0080   into 64-bit code
  [0x80, 'b031 e6f4 f4'], //          out  0xf4, 0x31; hlt
  [0x90, '0f00 a0000f00'], //         table of descriptors: 16 bytes at 0xf00a0
  [0xa8, '00000000009a2000'], //      descriptor 0x08: 64-bit code
  [0xfff0, 'e90d00'], //              reset vector: jmp to offset 0
];

/** The guest's ROM, for `-bios`. */
export function guestRom(): Buffer {
  const rom = Buffer.alloc(romBytes);
  for (const [offset, hex] of parts) rom.write(hex.replaceAll(' ', ''), offset, 'hex');
  return rom;
}
