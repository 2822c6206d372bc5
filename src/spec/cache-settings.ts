import {z} from 'zod';
import {form, line, size, sizeBytes, uri} from './fields.ts';

const age = form(
  /^[1-9][0-9]{0,4}(h|d|w)$/,
  'an age',
  'Write a whole number and h, d or w (hours, days, weeks): 30d',
);

/** `cache` of a spec file as it is written. */
export const Cache = z
  .strictObject({
    salt: line.describe('Any text; another one makes every stage run again.').exactOptional(),
    remote: z
      .strictObject({
        url: uri(['http', 'https', 'file', 's3', 'oci']).describe('Where the remote cache is.'),
        trusted_keys: z
          .array(
            form(
              /^ed25519:[A-Za-z0-9+/]{43}=$/,
              'a public key',
              'Write `ed25519:` and the key in base64, as `fgimage cache keygen` prints it',
            ),
          )
          .min(1)
          .describe('Public keys of those whose records count.')
          .exactOptional(),
      })
      .describe('A cache shared with other machines.')
      .exactOptional(),
    clone_bases: z
      .boolean()
      .describe(
        'Whether images are put on what others have installed of the same packages; otherwise where no remote cache is.',
      )
      .exactOptional(),
    gc: z
      .strictObject({
        max_size: size.describe('The most that the local cache may hold.').exactOptional(),
        max_age: age.describe('What was not used for so long goes.').exactOptional(),
        min_free: size.describe('What is to stay free on its disk.').exactOptional(),
        keep_last: z.int().min(1).max(1000).describe('Runs whose content always stays.').exactOptional(),
      })
      .describe('When a build tidies up the local cache.')
      .exactOptional(),
  })
  .describe('The cache.');

/** What a spec says of the cache. */
export interface CacheSettings {
  readonly salt?: string;
  readonly remote?: {readonly url: string; readonly trustedKeys: readonly string[]};
  readonly cloneBases?: boolean;
  readonly gc?: {
    readonly maxSizeBytes?: number;
    readonly maxAgeMs?: number;
    readonly minFreeBytes?: number;
    readonly keepLast?: number;
  };
}

const hourMs = 3_600_000;
const ageUnitsMs: Readonly<Record<string, number>> = {h: hourMs, d: 24 * hourMs, w: 168 * hourMs};

/** Milliseconds of an age that the schema has accepted. */
function ageMs(text: string): number {
  return Number(text.slice(0, -1)) * (ageUnitsMs[text.slice(-1)] ?? Number.NaN);
}

/** Reads `cache` of a merged spec that was checked. */
export function readCacheSettings(json: unknown): CacheSettings {
  const {salt, remote, clone_bases: cloneBases, gc} = Cache.parse(json ?? {});
  return {
    ...(salt === undefined ? {} : {salt}),
    ...(remote === undefined ? {} : {remote: {url: remote.url, trustedKeys: remote.trusted_keys ?? []}}),
    ...(cloneBases === undefined ? {} : {cloneBases}),
    ...(gc === undefined
      ? {}
      : {
          gc: {
            ...(gc.max_size === undefined ? {} : {maxSizeBytes: sizeBytes(gc.max_size)}),
            ...(gc.max_age === undefined ? {} : {maxAgeMs: ageMs(gc.max_age)}),
            ...(gc.min_free === undefined ? {} : {minFreeBytes: sizeBytes(gc.min_free)}),
            ...(gc.keep_last === undefined ? {} : {keepLast: gc.keep_last}),
          },
        }),
  };
}
