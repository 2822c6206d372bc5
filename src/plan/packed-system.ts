import type {JsonObject, Os} from '../spec/image.ts';
import type {DistributionTemplate} from '../spec/template.ts';

/** What a packed tree is a system of: decides what its boot loaders are called and where they look. */
export interface PackedSystem {
  readonly architecture: Os['architecture'];
  /** As people call it, in boot menus. */
  readonly title: string;
  /** Its folder in the EFI system partition. */
  readonly efi_vendor: string;
}

/** As a parameter of the stage `pack`. */
export function packedSystem(
  {architecture}: Pick<Os, 'architecture'>,
  {title, efi_vendor}: Pick<DistributionTemplate, 'title' | 'efi_vendor'>,
): JsonObject {
  return {architecture, title, efi_vendor};
}
