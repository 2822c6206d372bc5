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

/** Packs a tree into one archive. */
export const runTarPack: StageRunner = async (context) => {
  const plan = context.node.params['plan'] as unknown as TarPackPlan;
  context.progress(`Writing ${plan.fileName}`);
  const written = await writeTar(context, {
    place: 'output',
    name: plan.fileName,
    compression: plan.compression,
  });
  if (!written.ok) return fail({failure: written.error});
  return told(context, {artifact: plan.fileName, format: 'tar'});
};

/**
 * Packs a tree into an OCI image layout of one layer
 * (https://github.com/opencontainers/image-spec/blob/v1.0.2/image-layout.md, config.md, manifest.md).
 */
export const runOciPack: StageRunner = async (context) => {
  const plan = context.node.params['plan'] as unknown as OciPackPlan;
  const {algorithm} = plan.compression;
  context.progress('Writing the layer');
  const written = await writeTar(context, {
    place: 'work',
    name: 'layer.tar',
    compression: {algorithm: 'none'},
  });
  if (!written.ok) return fail({failure: written.error});
  const diffId = digestFile(join(context.work, 'layer.tar'));
  context.progress('Compressing the layer');
  const compressed = await runTool(context, {
    program: '/bin/sh',
    args: () => ['-c', `exec ${compressor(plan.compression)}`],
    input: (at) => at('work', 'layer.tar'),
    output: (at) => at('work', 'layer'),
    shown: [algorithm, 'layer.tar'],
  });
  if (!compressed.ok) return fail({failure: compressed.error});

  const blobs = join(context.output, 'blobs/sha256');
  mkdirSync(blobs, {recursive: true});
  const layer = join(context.work, 'layer');
  const layerDigest = digestFile(layer);
  const layerSize = statSync(layer).size;
  renameSync(layer, join(blobs, layerDigest));
  const created = new Date(sourceDateEpoch(context) * 1000).toISOString().replace('.000Z', 'Z');
  const config = putBlob(blobs, {
    created,
    architecture: 'amd64',
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
      {mediaType: `${mediaTypes.layer}+${algorithm}`, digest: `sha256:${layerDigest}`, size: layerSize},
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
        platform: {architecture: 'amd64', os: 'linux'},
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

interface TarFile {
  readonly place: 'output' | 'work';
  readonly name: string;
  readonly compression: TarCompression;
}

/**
 * One member after the other by name, owners by number, times in whole seconds and no others: a layer's digest tells no
 * more of times, and the rest is of this disk (tar(1), POSIX.1-2001 pax).
 */
function writeTar(
  context: StageContext,
  {place, name, compression}: TarFile,
): Promise<Result<void, StageFailure>> {
  return runTool(context, {
    program: 'tar',
    tree: {},
    args: (at) => [
      '--create',
      '--file',
      at(place, name),
      ...(compression.algorithm === 'none' ? [] : [`--use-compress-program=${compressor(compression)}`]),
      '--sort=name',
      '--format=posix',
      '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime,delete=mtime',
      '--numeric-owner',
      '--acls',
      '--xattrs',
      '--xattrs-include=security.*',
      '--xattrs-include=user.*',
      '--directory',
      at('tree'),
      '.',
    ],
    shown: ['tar', name],
  });
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
