import {describe, expect, it, test} from 'vitest';
import {
  formatCommand,
  formatCount,
  formatDuration,
  formatElapsed,
  formatPercent,
  formatSize,
  formatTime,
  printable,
  printableLines,
  textWidth,
  truncate,
} from '../../../src/ui/format.ts';
import {formatTable} from '../../../src/ui/table.ts';

it.each([
  [-5, '0 ms'],
  [0, '0 ms'],
  [999.4, '999 ms'],
  [1000, '1.0 s'],
  [9949, '9.9 s'],
  [9950, '10 s'],
  [59_499, '59 s'],
  [59_500, '1m 00s'],
  [252_000, '4m 12s'],
  [3_599_400, '59m 59s'],
  [3_600_000, '1h 00m'],
  [7_530_000, '2h 06m'],
])('formatDuration(%d) is %s', (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});

it.each([
  [0, '0 s'],
  [999, '0 s'],
  [59_999, '59 s'],
  [60_000, '1m 00s'],
])('formatElapsed(%d) is %s', (durationMs, text) => {
  expect(formatElapsed(durationMs)).toBe(text);
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 KiB'],
  [1024 * 9.96, '10 KiB'],
  [1024 * 999.6, '1.0 MiB'],
  [190_840_832, '182 MiB'],
  [5 * 1024 ** 3, '5.0 GiB'],
  [1024 ** 6, '1024 PiB'],
])('formatSize(%d) is %s', (sizeBytes, text) => {
  expect(formatSize(sizeBytes)).toBe(text);
});

it.each([
  [-1, '0 %'],
  [0.428, '42 %'],
  [0.999, '99 %'],
  [1, '100 %'],
  [1.2, '100 %'],
])('formatPercent(%d) is %s', (fraction, text) => {
  expect(formatPercent(fraction)).toBe(text);
});

test('formatTime() is to the minute, in UTC', () => {
  expect(formatTime(Date.UTC(2026, 10, 20, 14, 2, 59))).toBe('2026-11-20 14:02 UTC');
});

test('formatCount() says one and many', () => {
  expect([formatCount(1, 'stage'), formatCount(0, 'stage'), formatCount(2, 'entry', 'entries')]).toEqual([
    '1 stage',
    '0 stages',
    '2 entries',
  ]);
});

it.each<[readonly string[], string]>([
  [['mke2fs', '-d', '/tmp/tree', 'a=b'], 'mke2fs -d /tmp/tree a=b'],
  [['sh', '-c', 'echo "$1"'], `sh -c 'echo "$1"'`],
  [['echo', "it's", ''], String.raw`echo 'it'\''s' ''`],
  [['sh', '-c', "a\n\tb'\\\u001B[2J"], String.raw`sh -c $'a\n\tb\'\\\x1b[2J'`],
])('formatCommand(%j) can be pasted', (command, text) => {
  expect(formatCommand(command)).toBe(text);
});

describe('printable()', () => {
  it.each([
    ['plain text', 'plain text'],
    ['\u001B[1;31mred\u001B[0m', 'red'],
    ['\u009B31mred', 'red'],
    ['\u001B]0;title\u0007text', 'text'],
    ['\u001B]8;;https://example.org\u001B\\link\u001B]8;;\u001B\\', 'link'],
    ['\u001B(Bcharset\u001BM', 'charset'],
    ['10 %\r50 %\r100 %\r', '100 %'],
    ['bell\u0007 back\bspace \u0000', 'bell backspace'],
    ['a\tb', 'a  b'],
    ['evil\u202Etxt', 'eviltxt'],
    ['naïve ✔ 漢字', 'naïve ✔ 漢字'],
    ['  indented', '  indented'],
  ])('of %j is %j', (text, safe) => {
    expect(printable(text)).toBe(safe);
  });

  it('leaves line breaks when asked for lines', () => {
    expect(printableLines('a\u001B[2J\n\n b')).toEqual(['a', '', ' b']);
  });
});

it.each([
  ['short', 10, 'short'],
  ['exactly ten', 11, 'exactly ten'],
  ['one too long', 11, 'one too lo…'],
  ['漢字漢字', 5, '漢字…'],
  ['漢字漢字', 6, '漢字…'],
  ['e\u0301e\u0301e\u0301', 2, 'e\u0301…'],
  ['text', 1, '…'],
  ['text', 0, ''],
])('truncate(%j, %d) is %j', (text, width, kept) => {
  expect(truncate(text, width)).toBe(kept);
  expect(textWidth(kept)).toBeLessThanOrEqual(Math.max(width, 0));
});

test('formatTable() pads by what is seen and leaves no blanks at the end', () => {
  const loud = (text: string) => `<<${text}>>`;
  const lines = formatTable([
    [{text: 'image'}, {text: 'size', align: 'right'}, {text: 'path'}],
    [{text: '漢字', style: loud}, {text: '182 MiB', align: 'right'}, {text: ''}],
  ]);
  expect(lines).toEqual(['image     size  path', '<<漢字>>   182 MiB']);
});
