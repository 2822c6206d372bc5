import {renameSync, rmSync, writeFileSync} from 'node:fs';
import {Document, LineCounter, parseDocument, visit, YAMLMap, YAMLSeq} from 'yaml';
import {z} from 'zod';
import {FgError, isErrno} from '../errors.ts';
import type {Lock} from './lock.ts';

const header = ` Everything that the images of the spec are made of, by digest. Made by "fgimage lock", renewed by
 "fgimage update"; commit it beside the spec. Paths are below the root of an archive: any mirror will do.`;

/** The text of a lock: sorted, a package a line, so that a diff of two shows what changed and no more. */
export function formatLock({version, archives, stages, sources}: Lock): string {
  const document = new Document({
    version,
    archives: sorted(archives),
    stages: sorted(stages),
    sources: sorted(sources),
  });
  document.commentBefore = header;
  for (const name of Object.keys(archives)) {
    flow(document.getIn(['archives', name, 'os']));
    for (const list of ['suites', 'packages']) {
      const items = document.getIn(['archives', name, list]);
      if (items instanceof YAMLSeq) for (const item of items.items) flow(item);
    }
  }
  for (const id of Object.keys(stages))
    for (const list of ['install', 'remove']) flow(document.getIn(['stages', id, list]));
  return document.toString({lineWidth: 0, flowCollectionPadding: false});
}

function flow(node: unknown): void {
  if (node instanceof YAMLMap || node instanceof YAMLSeq) node.flow = true;
}

function sorted<Value>(record: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Writes a lock in the place of the one that is there; throws `FgError` where that cannot be. */
export function writeLock(path: string, lock: Lock): void {
  const fresh = `${path}.${String(process.pid)}`;
  try {
    writeFileSync(fresh, formatLock(lock));
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, {force: true});
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT')) throw error;
    throw new FgError(
      'OUTPUT_UNUSABLE',
      `Cannot write ${path}: ${error instanceof Error ? error.message : ''}`,
      {
        cause: error,
        hint: 'The lock lies beside the spec: make that folder writable',
      },
    );
  }
}

/** Reads a lock. Throws `FgError` with file, line and column for what is no lock. */
export function parseLock(text: string, path: string): Lock {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    lineCounter: lines,
    prettyErrors: false,
  });
  const mark = /^(?:<{7}|={7}|>{7})(?: |$)/m.exec(text);
  if (mark !== null)
    throw invalid(
      path,
      {line: text.slice(0, mark.index).split('\n').length, col: 1},
      'the marks of a merge with conflicts',
    );
  const [problem] = document.errors;
  if (problem !== undefined)
    throw invalid(path, lines.linePos(problem.pos[0]), problem.message.split('\n')[0] ?? '');
  visit(document, {
    Alias: (_, alias) => {
      throw invalid(path, lines.linePos(alias.range?.[0] ?? 0), 'an alias: a lock has none');
    },
  });
  const read = LockFile.safeParse(document.toJS());
  if (!read.success) {
    const [issue] = read.error.issues;
    const at = [...(issue?.path ?? [])].filter((part) => typeof part !== 'symbol');
    throw invalid(
      path,
      positionOf(document, at, lines),
      `${at.join('.')}: ${issue?.message ?? 'not a lock'}`,
    );
  }
  const lock: Lock = read.data;
  const dangling = firstDangling(lock);
  if (dangling !== undefined) throw invalid(path, positionOf(document, dangling.at, lines), dangling.message);
  return lock;
}

/** Where a value, or the nearest one above it that is there, was written. */
function positionOf(
  document: Document,
  at: readonly (string | number)[],
  lines: LineCounter,
): {line: number; col: number} {
  for (let length = at.length; length >= 0; length -= 1) {
    const node = length === 0 ? document.contents : document.getIn(at.slice(0, length), true);
    const range = (node as {range?: readonly [number, ...number[]]} | undefined)?.range;
    if (range !== undefined) return lines.linePos(range[0]);
  }
  return {line: 1, col: 1};
}

function invalid(path: string, {line, col}: {line: number; col: number}, message: string): FgError {
  return new FgError('LOCK_INVALID', `${path}:${String(line)}:${String(col)}: ${message}`, {
    hint: 'It was edited, or merged with conflicts: take the version of one side, then run "fgimage lock"',
  });
}

/** A stage's package that its archive does not have. */
function firstDangling(lock: Lock): {at: readonly (string | number)[]; message: string} | undefined {
  for (const [id, {archive, packages}] of Object.entries(lock.stages)) {
    const known = lock.archives[archive];
    if (known === undefined)
      return {at: ['stages', id, 'archive'], message: `There is no archive ${archive}`};
    const words = new Set(known.packages.flatMap(({name, version}) => [name, `${name}=${version}`]));
    const index = packages.findIndex((word) => !words.has(word));
    if (index !== -1)
      return {
        at: ['stages', id, 'packages', index],
        message: `The archive ${archive} has no package ${packages[index] ?? ''} here`,
      };
  }
  return undefined;
}

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 is 64 hexadecimal digits');
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]*$/, 'not the name of a package');
/** deb-version(7). */
const packageVersion = z.string().regex(/^[0-9][A-Za-z0-9.+:~-]*$/, 'not the version of a package');
const archivePath = z
  .string()
  .refine(
    (path) => path !== '' && !path.startsWith('/') && !path.split('/').includes('..') && !/[\s?#]/.test(path),
    'a path below the root of an archive is wanted',
  );
const word = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9+.:~=_-]*$/, 'not a word for apt');
const name = z.string().min(1);

const LockFile = z.strictObject({
  version: z.literal(1, 'this fgimage knows version 1 of locks only'),
  archives: z.record(
    name,
    z.strictObject({
      os: z.strictObject({
        distribution: name,
        release: word,
        architecture: word,
        snapshot: name.exactOptional(),
      }),
      suites: z.array(
        z.strictObject({
          name,
          origin: name,
          components: z.array(name),
          date: z.string(),
          sha256: digest,
        }),
      ),
      packages: z.array(
        z.strictObject({
          name: packageName,
          version: packageVersion,
          architecture: word,
          origin: name,
          path: archivePath,
          size: z.number().int().nonnegative(),
          sha256: digest,
        }),
      ),
    }),
  ),
  stages: z.record(
    name,
    z.strictObject({
      archive: name,
      install: z.array(z.string()),
      remove: z.array(z.string()),
      packages: z.array(word),
      required: z.array(packageName).exactOptional(),
    }),
  ),
  sources: z.record(name, z.record(name, z.string())),
});
