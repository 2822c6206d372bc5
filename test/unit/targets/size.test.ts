import {describe, expect, it} from 'vitest';
import {parseSize} from '../../../src/size.ts';

describe('parseSize()', () => {
  it.each([
    ['500MiB', 500 * 2 ** 20],
    ['8G', 8 * 2 ** 30],
    ['8GB', 8 * 2 ** 30],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['2T', 2 * 2 ** 40],
    ['16K', 16_384],
    [' 4G ', 4 * 2 ** 30],
    ['0.1K', 102],
  ])('reads %j', (text, sizeBytes) => {
    expect(parseSize(text)).toBe(sizeBytes);
  });

  it.each(['', '8', '8g', 'G', '-1G', '1,5G', '8 G', '8Gi', '1e3M', '0x8G'])(
    'gives nothing for %j',
    (text) => {
      expect(parseSize(text)).toBeUndefined();
    },
  );
});
