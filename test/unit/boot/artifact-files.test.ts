import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {diskFiles} from '../../../src/stages/test/artifact-files.ts';
import type {DiskOutput, DiskPackPlan} from '../../../targets/contract.ts';

let folder = '';
let unpacking = {artifactDir: '', workDir: '', signal: new AbortController().signal};
const sizeBytes = 48 << 20;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-files-'));
  unpacking = {...unpacking, artifactDir: join(folder, 'artifact'), workDir: join(folder, 'work')};
  mkdirSync(unpacking.artifactDir);
  mkdirSync(unpacking.workDir);
});

afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
});

function plan(...outputs: readonly DiskOutput[]): DiskPackPlan {
  return {
    kind: 'disk',
    firmware: 'bios',
    loader: 'grub',
    cmdline: 'quiet',
    storage: {table: 'gpt', root: {filesystem: 'ext4'}, mounts: []},
    outputs,
  };
}

/** A disk with data at its beginning and somewhere in a hole. */
function writeDisk(path: string): void {
  const file = openSync(path, 'w');
  writeSync(file, 'begin', 0);
  writeSync(file, 'middle', 20 << 20);
  closeSync(file);
  truncateSync(path, sizeBytes);
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

describe('diskFiles()', () => {
  it('takes the first disk as it is, by the name that qemu-img has for its format', async () => {
    const files = await diskFiles(
      plan(
        {kind: 'text', fileName: 'disk.ovf', template: ''},
        {kind: 'image', fileName: 'disk.vhd', format: 'vhd'},
        {kind: 'image', fileName: 'disk.raw', format: 'raw'},
        {kind: 'kernel', fileName: 'vmlinuz'},
        {kind: 'initrd', fileName: 'initrd.img'},
      ),
      unpacking,
    );
    expect(files).toEqual({
      disk: join(unpacking.artifactDir, 'disk.vhd'),
      diskFormat: 'vpc',
      cmdline: 'quiet',
      kernel: 'vmlinuz',
      initrd: 'initrd.img',
    });
  });

  it('unpacks a compressed disk, with holes', async () => {
    const disk = join(unpacking.artifactDir, 'disk.raw');
    writeDisk(disk);
    const wanted = digest(disk);
    execFileSync('gzip', ['-1', disk]);
    const files = await diskFiles(
      plan({kind: 'image', fileName: 'disk.raw.gz', format: 'raw', gzip: true}),
      unpacking,
    );
    expect(files).toMatchObject({diskFormat: 'raw'});
    expect(digest(files.disk ?? '')).toBe(wanted);
    expect(statSync(files.disk ?? '').size).toBe(sizeBytes);
    expect(statSync(files.disk ?? '').blocks * 512).toBeLessThan(1 << 20);
  });

  it.each([false, true])('takes the disk out of an archive (compressed: %s), with holes', async (gzip) => {
    const disk = join(folder, 'disk.raw');
    writeDisk(disk);
    const archive = join(unpacking.artifactDir, 'disk.tar');
    execFileSync('tar', [`-c${gzip ? 'z' : ''}Sf`, archive, '--format=oldgnu', '-C', folder, 'disk.raw']);
    const files = await diskFiles(
      plan({
        kind: 'archive',
        fileName: 'disk.tar',
        format: 'oldgnu',
        ...(gzip && {gzip}),
        members: [
          {kind: 'text', fileName: 'meta', template: ''},
          {kind: 'image', fileName: 'disk.raw', format: 'raw'},
        ],
      }),
      unpacking,
    );
    expect(files.disk).toBe(join(unpacking.workDir, 'disk.raw'));
    expect(digest(files.disk ?? '')).toBe(digest(disk));
    expect(statSync(files.disk ?? '').blocks * 512).toBeLessThan(1 << 20);
  });

  it('fails where there is no disk', async () => {
    await expect(diskFiles(plan({kind: 'kernel', fileName: 'vmlinuz'}), unpacking)).rejects.toThrow(
      'There is no disk image to boot',
    );
  });
});
