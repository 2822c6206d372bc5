/**
 * The public keys in a file, each as it was armored or, where the file is binary, as one. An armored file (RFC 9580,
 * section 6) may hold several blocks. Empty where there is no key in it.
 */
export function publicKeys(file: Buffer): readonly Buffer[] {
  const text = file.toString('latin1');
  if (!text.includes('-----BEGIN PGP')) return isPublicKey(file) ? [file] : [];
  const blocks = text.matchAll(
    /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+: [^\r\n]*\r?\n)*\s*(?<data>[A-Za-z0-9+/=\s]+?)-----END PGP PUBLIC KEY BLOCK-----/g,
  );
  return [...blocks].map(({groups}) => dearmored(groups?.['data'] ?? '')).filter(isPublicKey);
}

/** A block as rpmkeys(8) takes it. */
export function armored(key: Buffer): string {
  const lines = key.toString('base64').match(/.{1,64}/g) ?? [];
  const sum = Buffer.alloc(3);
  sum.writeUIntBE(crc24(key), 0, 3);
  const [begin, end] = ['BEGIN', 'END'].map((word) => `-----${word} PGP PUBLIC KEY BLOCK-----`);
  return `${[begin, '', ...lines, `=${sum.toString('base64')}`, end].join('\n')}\n`;
}

/** The last line may be a checksum, `=` and four letters. */
function dearmored(data: string): Buffer {
  const lines = data.split(/\r?\n/).map((line) => line.trim());
  return Buffer.from(lines.filter((line) => line !== '' && !line.startsWith('=')).join(''), 'base64');
}

/** Whether the first packet is a public key (RFC 9580, section 4.2: tag 6 in either format). */
function isPublicKey(key: Buffer): boolean {
  const first = key[0] ?? 0;
  return (first & 0x80) !== 0 && ((first & 0x40) !== 0 ? first & 0x3f : (first >> 2) & 0x0f) === 6;
}

/** RFC 9580, section 6.1.1. */
function crc24(bytes: Buffer): number {
  let sum = 0xb704ce;
  for (const byte of bytes) {
    sum ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) {
      sum <<= 1;
      if ((sum & 0x1000000) !== 0) sum ^= 0x1864cfb;
    }
  }
  return sum & 0xffffff;
}
