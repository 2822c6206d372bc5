import {z} from 'zod';
import {quote} from './diagnostic.ts';
import {anyPackageName, anyVersion} from './package-words.ts';
import {sshKeyProblem} from './ssh-key.ts';

/**
 * The values that a spec is made of. A message of ours holds the reason and the mend, parted by a line break
 * (`complaint`); src/spec/explain.ts takes it apart again and words the messages of zod itself.
 */
export function complaint(reason: string, mend: string): string {
  return `${reason}\n${mend}`;
}

/** Text of one form; `what` completes "… is not". */
export function form(pattern: RegExp, what: string, mend: string): z.ZodString {
  return z.string().regex(pattern, {error: ({input}) => complaint(`${quote(input)} is not ${what}`, mend)});
}

const userPattern = /^[a-z_][a-z0-9_-]{0,31}$/;
const ownerPart = '([a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})';

/** Names of images, repositories: they become names of folders and files. */
export const entryName = form(
  /^[a-z0-9][a-z0-9._-]{0,62}$/,
  'a name that can be a folder',
  'Use lower-case letters, digits, `.`, `_` and `-`, at most 63, a letter or digit first',
);

export const packageName = form(
  anyPackageName,
  'the name of a package',
  'Use letters, digits, `+`, `-`, `.` and `_`; a version goes beside it: {name: …, version: "…"}',
);

export const packageVersion = form(
  anyVersion,
  'a version',
  'Write the whole version as `apt-cache policy` or `dnf list` shows it, in quotes: "1.2.3-4"',
);

/** NAME_REGEX of Debian's adduser and useradd, 32 characters as utmp(5) has room for. */
export const userName = form(
  userPattern,
  'a user or group name',
  'Use lower-case letters, digits, `_` and `-`, a letter or `_` first, at most 32',
);

/** useradd(8): ids up to 2^32-2; 65534 and 65535 are reserved. */
export const numericId = z
  .int()
  .min(0)
  .max(4_294_967_294)
  .refine((id) => id !== 65_534 && id !== 65_535, {
    error: ({input}) =>
      complaint(`${String(input)} is reserved (Debian policy 9.2.2)`, 'Use an id from 1000 to 59999'),
  });

/** A path of the project; src/spec/check-paths.ts looks at where it leads. */
export const projectPath = form(
  /^[^\p{Cc}\\]+$/u,
  'a path of the project',
  'Name a file below the folder of the spec, with forward slashes',
);

/** A path in the image. */
export const imagePath = form(
  /^(?!.*\/\/)\/(?!(.*\/)?\.{1,2}(\/|$))[^\p{Cc}]*[^\p{Cc}/]$/u,
  'an absolute path in the image',
  'Begin with `/`, name a file, and use neither `.` nor `..` nor `//`',
);

export const imageFolderPath = form(
  /^(?!.*\/\/)\/(?!(.*\/)?\.{1,2}(\/|$))[^\p{Cc}]*$/u,
  'an absolute path in the image',
  'Begin with `/` and use neither `.` nor `..` nor `//`',
);

/** chmod(1), octal. */
export const permissions = form(
  /^[0-7]{3,4}$/,
  'an octal mode',
  'Write three or four octal digits in quotes: "0644"',
);

/** chown(1), both parts. */
export const owner = form(
  new RegExp(`^${ownerPart}:${ownerPart}$`),
  'an owner and a group',
  'Write both, by name or number: "root:root"',
);

/** hostname(7), RFC 1123; a dotted name sets the domain as well. */
export const hostname = form(
  /^(?=.{1,64}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/,
  'a host name',
  'Use lower-case letters, digits and `-`, labels parted by `.`, at most 64 characters',
);

/** locale(7), with the charset that locale-gen wants. */
export const locale = form(
  /^(C|POSIX|C\.UTF-8|[a-z]{2,3}_[A-Z]{2}(\.[A-Za-z0-9-]+)?(@[a-z]+)?)$/,
  'a locale',
  'Write language, country and character set: en_US.UTF-8, or C.UTF-8',
);

/** A name of the tz database. */
export const timezone = form(
  /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}$/,
  'a time zone of the tz database',
  'Write area and place: Europe/Berlin, or Etc/UTC',
);

/** systemd.unit(5); without a suffix it is a service. */
export const unit = form(
  /^[A-Za-z0-9:_.\\@-]{1,250}$/,
  'the name of a systemd unit',
  'Write the name only, without a path: ssh.service, or ssh',
);

export const size = form(
  /^[1-9][0-9]{0,5}(M|MiB|G|GiB|T|TiB)$/,
  'a size',
  'Write a whole number and MiB, GiB or TiB: 8GiB',
);

/** Bytes of a size that the schema has accepted: `8GiB` and `8G` are 8 × 2^30. */
export function sizeBytes(text: string): number {
  const units: Readonly<Record<string, number>> = {M: 2 ** 20, G: 2 ** 30, T: 2 ** 40};
  const found = /^(?<count>[0-9]+)(?<letter>[MGT])(iB)?$/.exec(text);
  return Number(found?.groups?.['count']) * (units[found?.groups?.['letter'] ?? ''] ?? Number.NaN);
}

const compactTime = /^(?<Y>\d{4})(?<M>\d{2})(?<D>\d{2})T(?<h>\d{2})(?<m>\d{2})(?<s>\d{2})Z$/;
const isoTime = /^(?<Y>\d{4})-(?<M>\d{2})-(?<D>\d{2})T(?<h>\d{2}):(?<m>\d{2}):(?<s>\d{2})Z$/;

/** `YYYYMMDDTHHMMSSZ` from that form or from `YYYY-MM-DDTHH:MM:SSZ`; undefined where it is no time. */
export function snapshotTime(text: string): string | undefined {
  const {Y, M, D, h, m, s} = (compactTime.exec(text) ?? isoTime.exec(text))?.groups ?? {};
  const iso = `${Y ?? ''}-${M ?? ''}-${D ?? ''}T${h ?? ''}:${m ?? ''}:${s ?? ''}.000Z`;
  const time = new Date(iso);
  return !Number.isNaN(time.getTime()) && time.toISOString() === iso
    ? iso.replaceAll(/[:-]|\.000/g, '')
    : undefined;
}

export const snapshot = z
  .string()
  .regex(/^(\d{8}T\d{6}Z|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z)$/, {error: snapshotComplaint, abort: true})
  .refine((text) => snapshotTime(text) !== undefined, {error: snapshotComplaint});

function snapshotComplaint({input}: {readonly input?: unknown}): string {
  return complaint(
    `${quote(input)} is not a time in UTC`,
    'Write it as 20260801T000000Z or 2026-08-01T00:00:00Z',
  );
}

/** An archive or a web folder. `file:` and `copy:` are for archives on the host. */
export function uri(protocols: readonly string[]): z.ZodString {
  const mend = `Begin it with ${protocols.map((protocol) => `${protocol}://`).join(', ')} and use no blanks`;
  const pattern = new RegExp(`^(${protocols.join('|')}):/{1,3}[^\\s\\p{Cc}/?#][^\\s\\p{Cc}]*$`, 'u');
  // The value is not repeated: it may hold a password.
  return z.string().regex(pattern, {error: () => complaint('This is not a URI that can be used here', mend)});
}

/** Where snapshots of an archive are, in the words of apt.conf(5), Acquire::Snapshots::URI. */
export const snapshotArchive = uri(['http', 'https', 'file', 'copy']).refine(
  // What is no URI at all is told by another message.
  (text) => text.includes('@SNAPSHOTID@') || !/^[a-z]+:\//.test(text),
  {
    error: () =>
      complaint(
        'The URI of an archive of snapshots has no @SNAPSHOTID@ in it',
        'Write @SNAPSHOTID@ where the time of a snapshot goes: https://archive.example.org/debian/@SNAPSHOTID@/',
      ),
  },
);

/** authorized_keys(5), sshd(8). */
export const sshKey = z.string().superRefine((key, context) => {
  const problem = sshKeyProblem(key);
  if (problem !== undefined)
    context.addIssue({code: 'custom', message: complaint(problem.reason, problem.mend)});
});

/** crypt(5): `$id$…`; `!` and `*` stand for no password. DES and plain text have no `$`. */
export const passwordHash = z.string().regex(/^(!|\*|!\*|!?\$[a-z0-9]{1,6}\$[^\s:]{8,})$/, {
  error: () =>
    complaint(
      'hashed_passwd is not a crypt(5) hash; it looks like a password as plain text',
      'Make a hash with `mkpasswd -m yescrypt` and put it in quotes; a password that stood in a file is no secret any more',
    ),
});

/** Text of one line. */
export const line = form(
  /^\P{Cc}+$/u,
  'one line of text',
  'Write it on one line, without control characters',
);
