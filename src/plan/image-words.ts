import type {PackPlan} from '../../targets/contract.ts';
import type {Image, JsonObject, JsonValue, PackageRequest} from '../spec/image.ts';
import type {Origin} from './graph.ts';

/** What an image says that reaches its targets through the plans that they make of it. */
export function platformNotes({kernel, storage, hostname}: Image): JsonObject {
  const {cmdline} = kernel;
  return json({'kernel.cmdline': cmdline, 'storage.size': storage.size_bytes, hostname}) as JsonObject;
}

/** The programs that shape an artifact. */
export function packPrograms(plan: PackPlan): readonly string[] {
  switch (plan.kind) {
    case 'disk':
      return ['sfdisk', 'mke2fs', 'mkfs.vfat', 'mmd', 'mcopy', 'qemu-img'];
    case 'netboot':
      return ['mksquashfs'];
    case 'tar':
    case 'oci': {
      const {algorithm} = plan.compression;
      return algorithm === 'none' ? ['tar'] : ['tar', algorithm === 'gzip' ? 'gzip' : 'zstd'];
    }
  }
}

/** A parameter that has the name of the key that it comes from. */
export function same(name: string): Origin {
  return {param: [name], spec: [name]};
}

/** Packages that other keys of the spec need to have their effect. */
export function impliedPackages(image: Image): readonly string[] {
  const {locale, users} = image;
  return [
    ...(locale !== undefined && !/^(?:C|POSIX)(?:\.|$)/.test(locale) ? ['locales'] : []),
    ...(users.some(({sudo}) => sudo.length > 0) ? ['sudo'] : []),
  ];
}

/** As apt-get(8) is told. */
export function requestWord({name, version}: PackageRequest): string {
  return version === undefined ? name : `${name}=${version}`;
}

/** Each word once, where it comes first. */
export function unique(words: readonly string[]): readonly string[] {
  return [...new Set(words)];
}

/** A plain JSON copy without undefined members, as keys hold it. */
export function json(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}
