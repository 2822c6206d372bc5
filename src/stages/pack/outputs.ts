import {copyFileSync, mkdirSync, renameSync, statSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {digestFile} from '../../../cache/tree.ts';
import type {
  ArchiveOutput,
  DiskFormat,
  DiskOutput,
  ImageOutput,
  TextOutput,
} from '../../../targets/contract.ts';
import {derivedUuid} from '../../plan/key.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {StageContext} from '../stage.ts';
import {type Places, runTool} from '../tool.ts';
import {sourceDateEpoch} from '../tree.ts';
import {bootFolder, initramfsFolder} from './boot-files.ts';
import {writeDiskArchive} from './disk-archive.ts';
import {settleHeader} from './disk-headers.ts';
import {fillTemplate, namedFiles} from './disk-text.ts';

/** A disk that is written, and what is to be made of it. */
export interface OutputsRequest {
  /** A raw disk in the work folder; it is gone afterwards. */
  readonly disk: string;
  readonly sizeBytes: number;
  readonly identity: string;
  /** The newest kernel of the image. */
  readonly kernel: string | undefined;
  readonly outputs: readonly DiskOutput[];
}

/** Writes the files of the artifact, all of one disk. */
export async function writeOutputs(
  context: StageContext,
  request: OutputsRequest,
): Promise<Result<void, StageFailure>> {
  const writer = new OutputWriter(context, request);
  for (const output of request.outputs) {
    const made = await writer.make(output, {place: 'output', siblings: request.outputs});
    if (!made.ok) return made;
  }
  return writer.handOverDisk();
}

/** Where outputs of one list go: the artifact, or beside an archive that takes them in. */
interface Scope {
  readonly place: 'output' | 'work';
  /** Folder of `place`. */
  readonly folder?: string;
  readonly siblings: readonly DiskOutput[];
}

/** qemu-img's name of a format, and what makes it the one that is meant. */
const drivers: Readonly<Record<DiskFormat, {readonly driver: string; readonly options: readonly string[]}>> =
  {
    raw: {driver: 'raw', options: []},
    qcow2: {driver: 'qcow2', options: ['-c', '-o', 'compression_type=zstd']},
    vmdk: {driver: 'vmdk', options: ['-o', 'subformat=streamOptimized']},
    vhd: {driver: 'vpc', options: ['-o', 'subformat=fixed,force_size=on']},
    vdi: {driver: 'vdi', options: []},
  };

class OutputWriter {
  readonly #context: StageContext;
  readonly #request: OutputsRequest;
  /** Paths of what is made. */
  readonly #made = new Map<DiskOutput, string>();
  readonly #making = new Set<DiskOutput>();
  /** Plain raw disks of the artifact: the disk itself becomes the last of them. */
  readonly #rawNames: string[] = [];

  constructor(context: StageContext, request: OutputsRequest) {
    this.#context = context;
    this.#request = request;
  }

  async make(output: DiskOutput, scope: Scope): Promise<Result<void, StageFailure>> {
    if (this.#made.has(output)) return ok(undefined);
    if (this.#making.has(output))
      throw new Error(`What ${output.fileName} says of other files leads back to it`);
    this.#making.add(output);
    const {place, folder = ''} = scope;
    const path = join(this.#context[place], folder, output.fileName);
    mkdirSync(dirname(path), {recursive: true});
    switch (output.kind) {
      case 'image':
        return this.#image(output, {scope, path});
      case 'text':
        return this.#text(output, {scope, path});
      case 'kernel':
      case 'initrd':
        return this.#bootFile(output, path);
      case 'archive':
        return this.#archive(output, path);
    }
  }

  /** Moves the disk to where a raw output has it, or removes it. */
  async handOverDisk(): Promise<Result<void, StageFailure>> {
    const {output, work} = this.#context;
    const last = this.#rawNames.pop();
    for (const name of this.#rawNames) {
      const copied = await runTool(this.#context, {
        program: '/bin/cp',
        args: (at) => ['--sparse=always', '--', at('work', this.#request.disk), at('output', name)],
      });
      if (!copied.ok) return copied;
    }
    if (last !== undefined) renameSync(join(work, this.#request.disk), join(output, last));
    return ok(undefined);
  }

  async #image(
    output: ImageOutput,
    {scope, path}: {scope: Scope; path: string},
  ): Promise<Result<void, StageFailure>> {
    const {disk, identity} = this.#request;
    const {format, fileName, gzip = false} = output;
    const raw = join(this.#context.work, disk);
    if (format === 'raw' && !gzip) {
      if (scope.place === 'output') this.#rawNames.push(fileName);
      return this.#done(output, raw);
    }
    this.#context.progress(`Writing ${fileName}`);
    const plainName = gzip ? `plain-${format}` : join(scope.folder ?? '', fileName);
    const plain = (at: Places): string => at(gzip ? 'work' : scope.place, plainName);
    if (format !== 'raw') {
      const {driver, options} = drivers[format];
      const converted = await runTool(this.#context, {
        program: 'qemu-img',
        // Without -W: out-of-order writes make other bytes at every run.
        args: (at) => ['convert', '-f', 'raw', '-O', driver, ...options, at('work', disk), plain(at)],
      });
      if (!converted.ok) return converted;
      settleHeader(join(gzip ? this.#context.work : this.#context[scope.place], plainName), format, {
        uuid: derivedUuid(identity, `disk:${format}`),
        epoch: sourceDateEpoch(this.#context),
      });
    }
    if (!gzip) return this.#done(output, path);
    const compressed = await gzipFile(this.#context, {
      from: (at) => (format === 'raw' ? at('work', disk) : plain(at)),
      to: (at) => at(scope.place, scope.folder ?? '', fileName),
      shown: fileName,
    });
    return compressed.ok ? this.#done(output, path) : compressed;
  }

  async #text(
    output: TextOutput,
    {scope, path}: {scope: Scope; path: string},
  ): Promise<Result<void, StageFailure>> {
    const {sizeBytes, identity, outputs} = this.#request;
    const named = new Map<string, string>();
    for (const name of namedFiles(output.template)) {
      const inScope = scope.siblings.find(({fileName}) => fileName === name);
      const found = inScope ?? outputs.find(({fileName}) => fileName === name);
      if (found === undefined) throw new Error(`${output.fileName} speaks of ${name}, which there is not`);
      const made = await this.make(
        found,
        inScope === undefined ? {place: 'output', siblings: outputs} : scope,
      );
      if (!made.ok) return made;
      named.set(name, this.#made.get(found) ?? '');
    }
    const text = fillTemplate(output.template, {
      virtualSizeBytes: sizeBytes,
      size: (name) => statSync(named.get(name) ?? '').size,
      sha256: (name) => digestFile(named.get(name) ?? ''),
      uuid: (word) => derivedUuid(identity, `text:${word}`),
    });
    writeFileSync(path, text);
    return this.#done(output, path);
  }

  #bootFile(
    output: Extract<DiskOutput, {kind: 'kernel' | 'initrd'}>,
    path: string,
  ): Result<void, StageFailure> {
    const {kernel} = this.#request;
    const initramfs = initramfsFolder(this.#context);
    if (kernel === undefined || initramfs === undefined)
      return fail({
        reason: 'refused',
        message: 'The image has no kernel to hand out',
        hint: 'Leave kernel.package out, or name a package that brings /boot/vmlinuz-*',
      });
    const source =
      output.kind === 'kernel'
        ? join(this.#context.work, bootFolder, `vmlinuz-${kernel}`)
        : join(initramfs, `initrd.img-${kernel}`);
    copyFileSync(source, path);
    return this.#done(output, path);
  }

  async #archive(output: ArchiveOutput, path: string): Promise<Result<void, StageFailure>> {
    const {fileName, format, gzip = false, members} = output;
    const scope: Scope = {place: 'work', folder: `members-${fileName}`, siblings: members};
    for (const member of members) {
      const made = await this.make(member, scope);
      if (!made.ok) return made;
    }
    this.#context.progress(`Writing ${fileName}`);
    const plainName = `archive-${fileName}`;
    const {signal} = this.#context;
    await writeDiskArchive({
      path: gzip ? join(this.#context.work, plainName) : path,
      format,
      epoch: sourceDateEpoch(this.#context),
      members: members.map((member) => ({name: member.fileName, file: this.#made.get(member) ?? ''})),
      signal,
    });
    if (!gzip) return this.#done(output, path);
    const compressed = await gzipFile(this.#context, {
      from: (at) => at('work', plainName),
      to: (at) => at('output', fileName),
      shown: fileName,
    });
    return compressed.ok ? this.#done(output, path) : compressed;
  }

  #done(output: DiskOutput, path: string): Result<void, StageFailure> {
    this.#making.delete(output);
    this.#made.set(output, path);
    return ok(undefined);
  }
}

/** Without a name and a time in its header. */
function gzipFile(
  context: StageContext,
  {from, to, shown}: {from: (at: Places) => string; to: (at: Places) => string; shown: string},
): Promise<Result<void, StageFailure>> {
  return runTool(context, {
    program: '/bin/sh',
    args: () => ['-c', 'exec gzip --no-name -6'],
    input: from,
    output: to,
    shown: ['gzip', shown],
  });
}
