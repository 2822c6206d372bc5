import {createReadStream} from 'node:fs';
import {open} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {createGunzip} from 'node:zlib';
import type {ArchiveOutput, DiskFormat, DiskPackPlan, ImageOutput} from '../../../targets/contract.ts';
import type {BootFiles} from './boot.ts';
import {type BackingFormat, longMs} from './disk.ts';
import {requireTool} from './tools.ts';

export interface Unpacking {
  readonly artifactDir: string;
  /** A private folder, which what is unpacked is put into. */
  readonly workDir: string;
  readonly signal: AbortSignal;
}

const formats: Readonly<Record<DiskFormat, BackingFormat>> = {
  qcow2: 'qcow2',
  raw: 'raw',
  vmdk: 'vmdk',
  vhd: 'vpc',
  vdi: 'vdi',
};

/** The first disk among the outputs, unpacked where it is compressed or in an archive, and what boots it. */
export async function diskFiles(plan: DiskPackPlan, unpacking: Unpacking): Promise<BootFiles> {
  const {outputs, cmdline} = plan;
  const bootFile = (kind: 'kernel' | 'initrd'): string | undefined =>
    outputs.find((output) => output.kind === kind)?.fileName;
  const [kernel, initrd] = [bootFile('kernel'), bootFile('initrd')];
  return {
    ...(await firstDisk(plan, unpacking)),
    cmdline,
    ...(kernel !== undefined && {kernel}),
    ...(initrd !== undefined && {initrd}),
  };
}

async function firstDisk(
  {outputs}: DiskPackPlan,
  unpacking: Unpacking,
): Promise<Required<Pick<BootFiles, 'disk' | 'diskFormat'>>> {
  for (const output of outputs) {
    if (output.kind === 'image') return await plainDisk(output, unpacking);
    const image = output.kind === 'archive' ? imageOf(output) : undefined;
    if (output.kind === 'archive' && image !== undefined) {
      await unpackMember(output, image, unpacking);
      return await plainDisk(image, {...unpacking, artifactDir: unpacking.workDir});
    }
  }
  throw new Error('There is no disk image to boot');
}

function imageOf({members}: ArchiveOutput): ImageOutput | undefined {
  return members.find((member) => member.kind === 'image');
}

/** tar(1) makes holes again where the archive has them. */
async function unpackMember(
  archive: ArchiveOutput,
  image: ImageOutput,
  {artifactDir, workDir, signal}: Unpacking,
): Promise<void> {
  const path = resolve(artifactDir, archive.fileName);
  const compression = archive.gzip === true ? ['--gzip'] : [];
  await requireTool(
    'tar',
    [
      '--extract',
      '--no-same-owner',
      ...compression,
      '--file',
      path,
      '--directory',
      workDir,
      '--',
      image.fileName,
    ],
    {signal, timeoutMs: longMs},
  );
}

async function plainDisk(
  {fileName, format, gzip = false}: ImageOutput,
  {artifactDir, workDir, signal}: Unpacking,
): Promise<Required<Pick<BootFiles, 'disk' | 'diskFormat'>>> {
  const packed = resolve(artifactDir, fileName);
  const diskFormat = formats[format];
  if (!gzip) return {disk: packed, diskFormat};
  const disk = join(workDir, 'unpacked-disk');
  await gunzipSparse(packed, disk, signal);
  return {disk, diskFormat};
}

/** Writes no zeros: a disk is mostly holes. */
export async function gunzipSparse(from: string, to: string, signal: AbortSignal): Promise<void> {
  const file = await open(to, 'wx');
  try {
    let at = 0;
    const sparse = new Writable({
      write(chunk: Buffer, _encoding, done) {
        const position = at;
        at += chunk.length;
        if (isZero(chunk)) done();
        else file.write(chunk, 0, chunk.length, position).then(() => done(), done);
      },
    });
    await pipeline(createReadStream(from), createGunzip({chunkSize: 1 << 16}), sparse, {signal});
    await file.truncate(at);
  } finally {
    await file.close();
  }
}

const zeros = Buffer.alloc(1 << 16);

function isZero(chunk: Buffer): boolean {
  return chunk.length <= zeros.length && zeros.compare(chunk, 0, chunk.length, 0, chunk.length) === 0;
}
