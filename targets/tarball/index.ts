import type {JsonObject} from '../../src/spec/image.ts';
import {nothingToAdapt, type TarCompression, type Target, type TarPackPlan} from '../contract.ts';

/** `tarball`: the tree as one archive, for whatever unpacks it. README.md says what is in it. */
export const target: Target = {
  name: 'tarball',
  version: 1,
  adapt: () => nothingToAdapt,
  pack: (_image, options) => pack(options),
  boot: () => [],
};

const suffixes = {zstd: '.zst', gzip: '.gz', none: ''} as const;

function pack({compression, compression_level: level}: JsonObject): TarPackPlan {
  if (compression !== 'zstd' && compression !== 'gzip' && compression !== 'none')
    throw new Error(`Unchecked option compression: ${JSON.stringify(compression)}`);
  const told: TarCompression = {algorithm: compression, ...(typeof level === 'number' && {level})};
  return {kind: 'tar', fileName: `root.tar${suffixes[compression]}`, compression: told};
}
