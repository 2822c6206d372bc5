import type {BootPlan, DiskOutput, DiskPackPlan, PackPlan} from '../../targets/contract.ts';
import type {Image, JsonObject, JsonValue, Os, PackageRequest} from '../spec/image.ts';
import {readTemplate} from '../spec/template.ts';
import type {Origin} from './graph.ts';

/** What an image says that reaches its targets through the plans that they make of it. */
export function platformNotes({kernel, storage, hostname}: Image): JsonObject {
  const {cmdline} = kernel;
  const {size_bytes: size, swap_bytes: swap, ...rest} = storage;
  const said = Object.entries({size, swap, ...rest}).map(
    ([key, value]) => [`storage.${key}`, value] as const,
  );
  return json({'kernel.cmdline': cmdline, ...Object.fromEntries(said), hostname}) as JsonObject;
}

/** The programs that shape an artifact. */
export function packPrograms(plan: PackPlan): readonly string[] {
  switch (plan.kind) {
    case 'disk':
      return diskPrograms(plan);
    case 'netboot':
      return ['mksquashfs'];
    case 'tar':
    case 'oci': {
      const {algorithm} = plan.compression;
      return algorithm === 'none' ? ['tar'] : ['tar', algorithm === 'gzip' ? 'gzip' : 'zstd'];
    }
  }
}

function diskPrograms({storage, loader, firmware, outputs}: DiskPackPlan): readonly string[] {
  const {table, root, boot, mounts} = storage;
  const filesystems = [root, ...(boot === undefined ? [] : [boot]), ...mounts].map(
    ({filesystem}) => filesystem,
  );
  const files: readonly DiskOutput[] = [
    ...outputs,
    ...outputs.flatMap((output) => (output.kind === 'archive' ? output.members : [])),
  ];
  const programs: readonly (readonly [boolean, readonly string[]])[] = [
    [table !== 'none', ['sfdisk']],
    [filesystems.includes('ext4'), ['mke2fs']],
    // The others are written here, from an archive.
    [filesystems.some((one) => one !== 'ext4'), ['tar']],
    [table !== 'none' && loader !== 'none' && firmware !== 'bios', ['mkfs.vfat', 'mmd', 'mcopy']],
    // Always: a change of the format is to be told as that alone.
    [true, ['qemu-img']],
    [files.some((file) => 'gzip' in file && file.gzip), ['gzip']],
  ];
  return programs.flatMap(([used, names]) => (used ? names : []));
}

/**
 * The boots that a disk is made for, and that this host can try: a loader may know one firmware only, and there is no
 * iPXE here for machines of arm64.
 */
export function possibleBoots(
  plan: PackPlan,
  boots: readonly BootPlan[],
  {architecture}: Pick<Os, 'architecture'>,
): readonly BootPlan[] {
  if (plan.kind === 'netboot' && architecture === 'arm64') return [];
  if (plan.kind !== 'disk' || plan.firmware === 'both') return boots;
  return boots.filter(
    (boot) => boot.kind !== 'disk' || boot.direct === true || boot.firmware === plan.firmware,
  );
}

/** A parameter that has the name of the key that it comes from. */
export function same(name: string): Origin {
  return {param: [name], spec: [name]};
}

/** Packages that other keys of the spec need to have their effect. */
export function impliedPackages(image: Image): readonly string[] {
  const {locale, users, os} = image;
  const isRpm = readTemplate(os.distribution).package_manager === 'dnf';
  return [
    ...(locale !== undefined && !/^(?:C|POSIX)(?:\.|$)/.test(locale)
      ? [isRpm ? `glibc-langpack-${locale.replace(/_.*$/, '')}` : 'locales']
      : []),
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
