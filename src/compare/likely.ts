import type {FileDifference} from './files.ts';
import type {EntryDifference} from './manifests.ts';

/** What is known to make an image another one at every build, by path. */
const causes: readonly (readonly [path: RegExp, cause: string])[] = [
  [/(?:^|\/)etc\/ssh\/ssh_host_/, 'host keys are made at random: have them made when a machine first boots'],
  [/(?:^|\/)etc\/machine-id$|var\/lib\/dbus\/machine-id$/, 'a machine id is random'],
  [/random-seed$|credential\.secret$/, 'a seed is random'],
  [/\.pyc$/, 'compiled Python holds times: compile with --invalidation-mode unchecked-hash, or remove it'],
  [/(?:^|\/)var\/log\//, 'logs hold times: have the script remove what it logs'],
  [
    /(?:^|\/)var\/cache\/|aux-cache$|fontconfig/,
    'caches hold times and addresses: have the script remove them',
  ],
  [/\.(?:jar|zip|whl)$/, 'archives hold the times of their members'],
  [/\.(?:gz|tgz)$/, 'gzip keeps the name and the time of what it packs: use "gzip -n"'],
  [/(?:^|\/)etc\/(?:g?shadow)-?$/, 'a salt is random, and the day of the last change is kept'],
  [/(?:^|\/)__pycache__\/|node_modules\/\.cache/, 'a cache of a program: have the script remove it'],
  [/\.(?:pem|key|crt)$/, 'keys and certificates are random, and hold times'],
];

const places: readonly (readonly [place: RegExp, cause: string])[] = [
  [/time$|Time$|MTIME|mkfs_time|s_lastcheck|WrtDate|CrtDate/, 'the time of the build'],
  [/uuid|GUID|VolID|hash_seed|disk signature|i_generation/, 'an id that is made at random'],
  [/checksum|CRC32|_csum/, 'a checksum: what it is of differs too'],
];

/** What could be the reason of a difference, in words; undefined where nothing is known of it. */
export function likelyCause(
  path: string,
  difference: FileDifference | undefined,
  entry?: EntryDifference,
): string | undefined {
  const known = causes.find(([pattern]) => pattern.test(path))?.[1];
  if (known !== undefined) return known;
  const field = difference?.inside?.file?.place.at(-1) ?? difference?.place.at(-1);
  const byPlace = field === undefined ? undefined : places.find(([pattern]) => pattern.test(field))?.[1];
  if (byPlace !== undefined) return byPlace;
  const {line} = difference ?? {};
  if (line !== undefined && [line.a, line.b].every((text) => looksLikeTime(text)))
    return 'a time: "$SOURCE_DATE_EPOCH" is one that does not pass';
  if (line !== undefined && looksRandom(line.a) && looksRandom(line.b)) return 'a random number';
  if (entry?.change === 'changed' && entry.fields.every(({field: name}) => name === 'mtime'))
    return 'a time that a program has set';
  return entry?.change === 'added' || entry?.change === 'removed'
    ? 'a name that is made up anew each time, or a file that is there only sometimes'
    : undefined;
}

/** Seconds since the epoch with what may follow them, a date, or a time of day. */
function looksLikeTime(text: string): boolean {
  return /\b1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9})?\b|\b20\d\d-\d\d-\d\d\b|\b\d\d:\d\d:\d\d\b/.test(text);
}

/** Long stretches of hexadecimal digits, or of base64. */
function looksRandom(text: string): boolean {
  return /[0-9a-f]{16}|[0-9a-f]{8}-[0-9a-f]{4}-|[A-Za-z0-9+/]{22}/.test(text) || /^\d{4,}$/.test(text.trim());
}
