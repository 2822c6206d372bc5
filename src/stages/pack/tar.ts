import {mkdirSync, renameSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {digestFile, sha256} from '../../../cache/tree.ts';
import type {OciPackPlan, TarCompression, TarPackPlan} from '../../../targets/contract.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {JsonObject} from '../../spec/image.ts';
import type {StageContext, StageRunner, StageSuccess} from '../stage.ts';
import {runTool} from '../tool.ts';
import {sourceDateEpoch} from '../tree.ts';
import {takeInventory} from './inventory.ts';
import {sortPaxRecords} from './pax.ts';
import {systemOf} from './system.ts';

/** Packs a tree into one archive. */
export const runTarPack: StageRunner = async (context) => {
  const {fileName, compression} = context.node.params['plan'] as unknown as TarPackPlan;
  context.progress(`Writing ${fileName}`);
  const written = await writeTar(context);
  if (!written.ok) return fail({failure: written.error});
  const compressed = await compress(context, {compression, to: join(context.output, fileName)});
  if (!compressed.ok) return fail({failure: compressed.error});
  return told(context, {artifact: fileName, format: 'tar'});
};

/**
 * Packs a tree into an OCI image layout of one layer
 * (https://github.com/opencontainers/image-spec/blob/v1.0.2/image-layout.md, config.md, manifest.md).
 */
export const runOciPack: StageRunner = async (context) => {
  const plan = context.node.params['plan'] as unknown as OciPackPlan;
  context.progress('Writing the layer');
  const written = await writeTar(context);
  if (!written.ok) return fail({failure: written.error});
  const diffId = digestFile(join(context.work, archive));
  context.progress('Compressing the layer');
  const layer = join(context.work, 'layer');
  const compressed = await compress(context, {compression: plan.compression, to: layer});
  if (!compressed.ok) return fail({failure: compressed.error});

  const blobs = join(context.output, 'blobs/sha256');
  mkdirSync(blobs, {recursive: true});
  const layerDigest = digestFile(layer);
  const layerSize = statSync(layer).size;
  renameSync(layer, join(blobs, layerDigest));
  const {architecture} = systemOf(context);
  const created = new Date(sourceDateEpoch(context) * 1000).toISOString().replace('.000Z', 'Z');
  const config = putBlob(blobs, {
    created,
    architecture,
    os: 'linux',
    config: plan.config,
    rootfs: {type: 'layers', diff_ids: [`sha256:${diffId}`]},
    history: [{created, created_by: 'fgimage'}],
  });
  const manifest = putBlob(blobs, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: {mediaType: mediaTypes.config, ...config},
    layers: [
      {
        mediaType: `${mediaTypes.layer}+${plan.compression.algorithm}`,
        digest: `sha256:${layerDigest}`,
        size: layerSize,
      },
    ],
  });
  writeJson(join(context.output, 'oci-layout'), {imageLayoutVersion: '1.0.0'});
  writeJson(join(context.output, 'index.json'), {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: mediaTypes.manifest,
        ...manifest,
        platform: {architecture, os: 'linux'},
        annotations: {'org.opencontainers.image.ref.name': 'latest'},
      },
    ],
  });
  return told(context, {artifact: 'index.json', format: 'oci', image_digest: manifest.digest});
};

const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** The archive in the work folder, before it is compressed. */
const archive = 'root.tar';

/**
 * One member after the other by name, owners by number, times in whole seconds and no others: a layer's digest tells no
 * more of times, and the rest is of this disk (tar(1), POSIX.1-2001 pax).
 */
async function writeTar(context: StageContext): Promise<Result<void, StageFailure>> {
  const written = await runTool(context, {
    program: 'tar',
    tree: {},
    args: (at) => [
      '--create',
      '--file',
      at('work', archive),
      '--sort=name',
      '--format=posix',
      '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime',
      // The tree's own folder has the time of its mount.
      `--mtime=@${String(sourceDateEpoch(context))}`,
      '--clamp-mtime',
      '--numeric-owner',
      '--acls',
      '--xattrs',
      '--xattrs-include=security.*',
      '--xattrs-include=user.*',
      '--directory',
      at('tree'),
      '.',
    ],
    shown: ['tar', archive],
  });
  if (written.ok) sortPaxRecords(join(context.work, archive));
  return written;
}

/** Moves the archive to `to`, compressed. */
async function compress(
  context: StageContext,
  {compression, to}: {compression: TarCompression; to: string},
): Promise<Result<void, StageFailure>> {
  const {algorithm} = compression;
  if (algorithm === 'none') {
    renameSync(join(context.work, archive), to);
    return ok(undefined);
  }
  const done = await runTool(context, {
    program: '/bin/sh',
    args: () => ['-c', `exec ${compressor(compression)}`],
    input: (at) => at('work', archive),
    output: (at) => at('work', 'compressed'),
    shown: [algorithm, archive],
  });
  if (!done.ok) return done;
  renameSync(join(context.work, 'compressed'), to);
  return ok(undefined);
}

/** gzip's header holds no name and no time; zstd gives the same with any number of threads. */
function compressor({algorithm, level}: TarCompression): string {
  const {words, defaultLevel} = compressors[algorithm === 'gzip' ? 'gzip' : 'zstd'];
  return `${words} -${String(level ?? defaultLevel)}`;
}

const compressors = {
  gzip: {words: 'gzip --no-name', defaultLevel: 6},
  zstd: {words: 'zstd --quiet', defaultLevel: 9},
} as const;

/** Writes a JSON blob, and gives its descriptor but for the type. */
function putBlob(blobs: string, value: JsonObject): {readonly digest: string; readonly size: number} {
  const text = JSON.stringify(value);
  const digest = sha256(text);
  writeFileSync(join(blobs, digest), text);
  return {digest: `sha256:${digest}`, size: Buffer.byteLength(text)};
}

function writeJson(path: string, value: JsonObject): void {
  writeFileSync(path, `${JSON.stringify(value)}\n`);
}

async function told(context: StageContext, result: JsonObject): ReturnType<StageRunner> {
  const inventory = await takeInventory(context);
  if (!inventory.ok) return fail({failure: inventory.error});
  const {packages, kernels} = inventory.value;
  const success: StageSuccess = {
    result: {
      ...result,
      packages: packages.map(({name, version, architecture}) => ({name, version, architecture})),
      kernels: [...kernels],
    },
  };
  return ok(success);
}
