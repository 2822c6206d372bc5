import type {GcBounds} from '../../cache/gc-report.ts';
import {parseDuration} from '../duration.ts';
import {FgError} from '../errors.ts';
import {parseSize} from '../size.ts';

/** The bounds of `fgimage cache gc` as they were typed. */
export interface GcWords {
  readonly maxSize?: string | undefined;
  readonly maxAge?: string | undefined;
  readonly minFree?: string | undefined;
  readonly keepLast?: string | undefined;
}

/** What they mean. Throws `FgError` for a word that means nothing. */
export function parseBounds({maxSize, maxAge, minFree, keepLast}: GcWords): GcBounds {
  return {
    ...(maxSize === undefined ? {} : {maxSizeBytes: size('--max-size', maxSize)}),
    ...(maxAge === undefined ? {} : {maxAgeMs: duration(maxAge)}),
    ...(minFree === undefined ? {} : {minFreeBytes: size('--min-free', minFree)}),
    ...(keepLast === undefined ? {} : {keepLast: count(keepLast)}),
  };
}

function size(flag: string, word: string): number {
  const bytes = word === '0' ? 0 : parseSize(word);
  if (bytes !== undefined) return bytes;
  throw new FgError('USAGE', `${flag} wants a size, not ${word}`, {hint: `Write for example ${flag} 40GiB`});
}

function duration(word: string): number {
  const ms = parseDuration(word);
  if (ms !== undefined) return ms;
  throw new FgError('USAGE', `--max-age wants a time, not ${word}`, {
    hint: 'Write for example --max-age 30d, 12h or 2w',
  });
}

function count(word: string): number {
  if (/^\d{1,6}$/.test(word)) return Number(word);
  throw new FgError('USAGE', `--keep-last wants a whole number from 0, not ${word}`);
}
