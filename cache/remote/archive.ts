import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {createReadStream, createWriteStream, readdirSync} from 'node:fs';
import {chmod, lstat, mkdir, rm, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {type Readable, Transform} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {promisify} from 'node:util';
import {RemoteError} from '../../src/http/error.ts';
import {summarizeInWorker} from '../content.ts';
import type {TreeSummary} from '../tree.ts';
import {listXattrs} from '../xattrs.ts';
import {ListingCheck} from './archive-listing.ts';
import type {Blob} from './backend.ts';
import {requireSuccess, startProgram} from './programs.ts';

/** Attributes that cache/xattrs.ts does not count: notes of overlayfs about this host's inodes, and this host's labels. */
const uncounted = ['origin', 'impure', 'nlink', 'uuid', 'upper'].map((name) => `user.overlay.${name}`);
const xattrOptions = [
  '--xattrs',
  '--xattrs-include=*',
  ...[...uncounted, 'security.selinux'].map((name) => `--xattrs-exclude=${name}`),
];

/**
 * Writes a tree to `file`, a new one, as a tar (POSIX pax) compressed with zstd, and digests it meanwhile. The same
 * tree gives the same bytes: sorted, times to the second as they are, no name of a user, nothing of the host. Holes
 * are not noted, since where they are depends on the disk. Throws `RemoteError` when tar cannot put everything in: a
 * socket, a file that changes or cannot be read.
 */
export async function packObject(treeFolder: string, file: string, signal: AbortSignal): Promise<Blob> {
  const names = readdirSync(treeFolder, {encoding: 'buffer'}).sort((a, b) => Buffer.compare(a, b));
  const tar = startProgram(
    'tar',
    [
      '--create',
      '--file=-',
      '--format=posix',
      '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
      '--sort=name',
      '--numeric-owner',
      ...xattrOptions,
      `--directory=${treeFolder}`,
      // The folder itself is no part of an object; its entries go in by name.
      '--null',
      '--verbatim-files-from',
      '--files-from=-',
    ],
    signal,
  );
  const zstd = startProgram('zstd', ['-3', '-T0', '--quiet', '--stdout'], signal);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      sizeBytes += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  try {
    tar.child.stdin.end(Buffer.concat(names.flatMap((name) => [name, Buffer.alloc(1)])));
    await Promise.all([
      pipeline(tar.child.stdout, zstd.child.stdin),
      pipeline(zstd.child.stdout, count, createWriteStream(file, {flags: 'wx'})),
    ]);
    const what = 'The output cannot be packed';
    for (const end of await Promise.all([tar.ended, zstd.ended])) requireSuccess(end, what);
  } catch (error) {
    tar.child.kill('SIGKILL');
    zstd.child.kill('SIGKILL');
    await rm(file, {force: true});
    signal.throwIfAborted();
    throw error;
  }
  return {sha256: hash.digest('hex'), sizeBytes};
}

/**
 * Unpacks what `packObject` wrote to `folder/tree`, which must not be there, and writes `folder/manifest`: together
 * what `objects/<digest>` holds. Refuses an archive with a path that leads out of the folder before anything of it is
 * written, and a tree that has another digest. Throws `RemoteError` `damaged`, and then leaves no tree behind.
 */
export async function unpackObject(
  file: string,
  folder: string,
  {digest, signal}: {readonly digest: string; readonly signal: AbortSignal},
): Promise<TreeSummary> {
  const check = new ListingCheck();
  await runTar(file, ['--list', '--verbose', '--numeric-owner', '--quoting-style=c', '--file=-'], {
    signal,
    onLine: (line) => check.line(line),
  });
  const tree = join(folder, 'tree');
  await mkdir(tree);
  await chmod(tree, 0o755);
  try {
    await runTar(
      file,
      [
        '--extract',
        '--file=-',
        '--preserve-permissions',
        '--same-owner',
        '--numeric-owner',
        '--keep-old-files',
        '--delay-directory-restore',
        '--warning=no-timestamp',
        ...xattrOptions,
        `--directory=${tree}`,
      ],
      {signal},
    );
    await digHoles(tree, check.largeFiles);
    const summary = await summarizeInWorker({tree, xattrs: await listXattrs(tree)});
    if (summary.digest !== digest) {
      throw new RemoteError('damaged', 'What was unpacked is not what the record says');
    }
    await writeFile(join(folder, 'manifest'), summary.manifest);
    return summary;
  } catch (error) {
    await rm(tree, {recursive: true, force: true, maxRetries: 3});
    signal.throwIfAborted();
    throw error;
  }
}

/** Feeds the decompressed archive to tar. Throws `RemoteError` when one of the programs complains, or a line does. */
async function runTar(
  file: string,
  args: readonly string[],
  {signal, onLine}: {readonly signal: AbortSignal; readonly onLine?: (line: string) => void},
): Promise<void> {
  const zstd = startProgram('zstd', ['--decompress', '--quiet', '--stdout'], signal);
  const tar = startProgram('tar', args, signal);
  try {
    // How the programs ended tells more than a pipe that broke.
    const moved = Promise.allSettled([
      pipeline(createReadStream(file), zstd.child.stdin),
      pipeline(zstd.child.stdout, tar.child.stdin),
    ]);
    let rest = '';
    // Bytes that are no ASCII come as escapes.
    for await (const text of tar.child.stdout.setEncoding('latin1') as Readable & AsyncIterable<string>) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine?.(line);
    }
    await moved;
    const what = 'An object cannot be unpacked';
    for (const end of await Promise.all([zstd.ended, tar.ended])) requireSuccess(end, what);
  } catch (error) {
    zstd.child.kill('SIGKILL');
    tar.child.kill('SIGKILL');
    await Promise.allSettled([zstd.ended, tar.ended]);
    signal.throwIfAborted();
    throw error;
  }
}

/** Gives zeros in large files, raw disks above all, back to the disk; not every file system can. */
async function digHoles(tree: string, paths: readonly Buffer[]): Promise<void> {
  for (const path of paths) {
    const absolute = join(tree, path.toString('utf8'));
    if (!Buffer.from(absolute).equals(Buffer.concat([Buffer.from(`${tree}/`), path]))) continue;
    const {atime, mtime} = await lstat(absolute);
    await promisify(execFile)('fallocate', ['--dig-holes', absolute]).catch(() => undefined);
    await utimes(absolute, atime, mtime);
  }
}
