import type {Dirent} from 'node:fs';
import {constants} from 'node:fs';
import {open, readdir, readlink, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {SandboxSecret} from '../../sandbox/sandbox.ts';
import type {Secret} from '../../spec/image.ts';
import {readSecret, secretFile} from '../../spec/secret-source.ts';

/** The secrets of a step with their values, which are in this process's memory and nowhere else. */
export interface StepSecrets {
  readonly secrets: readonly SandboxSecret[];
  /** All values one after the other. */
  readonly input: Buffer;
  readonly values: readonly {readonly name: string; readonly value: Buffer}[];
}

export function loadSecrets(
  secrets: readonly Secret[],
  projectDir: string,
): Result<StepSecrets, StageFailure> {
  const values: {name: string; value: Buffer}[] = [];
  for (const secret of secrets) {
    const read = readSecret(secret, projectDir);
    if (!read.ok) return fail({reason: 'refused', ...read.error});
    values.push({name: secret.name, value: read.value});
  }
  return ok({
    secrets: secrets.map(
      ({name, file, env = ''}, index): SandboxSecret => ({
        name,
        sizeBytes: values[index]?.value.length ?? 0,
        from: file === undefined ? {env} : {file: secretFile(file, projectDir)},
      }),
    ),
    input: Buffer.concat(values.map(({value}) => value)),
    values,
  });
}

/** What a log must not show of a value: itself, each long line of it, and how base64, URIs and JSON write it. */
export function hiddenTexts(value: Buffer): readonly string[] {
  const text = value.toString().trim();
  if (text === '') return [];
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const whole = [text, encodeURIComponent(text), JSON.stringify(text).slice(1, -1)];
  const encoded = [text, `${text}\n`].map((one) => Buffer.from(one).toString('base64'));
  const parts = lines.length === 1 ? [] : lines.filter((line) => line.length >= leastLength);
  // What comes in lines never stands in one as a whole.
  return [...new Set([...whole, ...parts, ...encoded, ...base64Forms(text)])].filter(
    (one) => !one.includes('\n'),
  );
}

/** A file of a step's output that holds a value. */
export interface Leak {
  /** Absolute path in the image. */
  readonly path: string;
  readonly secret: string;
}

/**
 * Looks through everything below a folder for values of at least 8 bytes: contents of files, their names, the targets of
 * links. Where it finds one it removes the file, so that nothing that is kept of a failed step holds it.
 */
export async function takeLeaks(
  folder: string,
  values: StepSecrets['values'],
  isOld: (changedMs: number) => boolean = () => false,
): Promise<readonly Leak[]> {
  const wanted = values.flatMap(({name, value}) => {
    const text = value.toString('latin1').trim();
    const bytes = Buffer.from(text, 'latin1');
    if (bytes.length < leastLength) return [];
    return [bytes, ...base64Forms(bytes).map((form) => Buffer.from(form))].map((needle) => ({name, needle}));
  });
  if (wanted.length === 0) return [];
  const leaks: Leak[] = [];
  const walk = async (path: string): Promise<void> => {
    for (const entry of await readdir(join(folder, path), {withFileTypes: true})) {
      const inner = `${path}/${entry.name}`;
      const secret = await secretIn(join(folder, inner), entry, {wanted, isOld});
      if (secret !== undefined) {
        leaks.push({path: inner, secret});
        await rm(join(folder, inner), {recursive: true, force: true});
      } else if (entry.isDirectory()) await walk(inner);
    }
  };
  await walk('');
  return leaks;
}

interface Search {
  readonly wanted: readonly {readonly name: string; readonly needle: Buffer}[];
  readonly isOld: (changedMs: number) => boolean;
}

/** The name of the secret that an entry of a folder holds. */
async function secretIn(place: string, entry: Dirent, {wanted, isOld}: Search): Promise<string | undefined> {
  const find = (bytes: Buffer): string | undefined => wanted.find(({needle}) => bytes.includes(needle))?.name;
  const named = find(Buffer.from(entry.name));
  if (named !== undefined) return named;
  if (entry.isSymbolicLink()) return find(Buffer.from(await readlink(place)));
  if (!entry.isFile()) return undefined;
  await using file = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW);
  if (isOld((await file.stat()).ctimeMs)) return undefined;
  const overlap = Math.max(...wanted.map(({needle}) => needle.length)) - 1;
  const chunk = Buffer.alloc(chunkBytes + overlap);
  let kept = 0;
  for (;;) {
    const {bytesRead} = await file.read(chunk, kept, chunkBytes);
    if (bytesRead === 0) return undefined;
    const seen = chunk.subarray(0, kept + bytesRead);
    const found = find(seen);
    if (found !== undefined) return found;
    kept = Math.min(overlap, seen.length);
    seen.copy(chunk, 0, seen.length - kept);
  }
}

/**
 * How base64 (RFC 4648) writes a text wherever in a longer one it stands: three ways, without the characters at both ends
 * that depend on what is beside it; in both alphabets.
 */
function base64Forms(text: string | Buffer): readonly string[] {
  const bytes = Buffer.from(text);
  if (bytes.length < leastLength) return [];
  const forms = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    const first = shift === 0 ? 0 : shift + 1;
    const isWhole = (shift + bytes.length) % 3 === 0;
    return encoded.slice(first, isWhole ? undefined : -1);
  });
  return [...new Set(forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]))];
}

/** Shorter values may stand anywhere by chance. */
const leastLength = 8;
const chunkBytes = 1 << 20;
