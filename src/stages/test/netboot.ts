/** What the boot script of a netboot set prints when iPXE could not fetch or start something. */
export const failureMarker = 'fgimage: network boot failed';

/**
 * The script that the guest's iPXE gets by TFTP. It makes the settings that a site would make and chains the
 * artifact's own boot script, so that this is what is tested.
 */
export function chainScript({baseUrl, script, siteInitrd}: ChainOptions): string {
  return [
    '#!ipxe',
    `set base-url ${baseUrl}`,
    `set fgimage-initrd ${baseUrl}/${siteInitrd}`,
    `chain ${baseUrl}/${script} || echo ${failureMarker}`,
    '',
  ].join('\n');
}

export interface ChainOptions {
  readonly baseUrl: string;
  /** File names below `baseUrl`. */
  readonly script: string;
  readonly siteInitrd: string;
}
