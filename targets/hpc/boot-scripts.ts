/**
 * The two boot scripts of a netboot set, as text. Both load the kernel and the initial RAM disk that lie beside
 * them and tell live-boot (live-boot(7): `fetch=`) where the root is.
 */

export interface NetbootFiles {
  /** File names in the artifact folder. */
  readonly kernel: string;
  readonly initrd: string;
  readonly rootfs: string;
}

export interface BootScriptOptions {
  readonly files: NetbootFiles;
  readonly cmdline: string;
  /** Folder that the node fetches from. */
  readonly baseUrl?: string;
}

/**
 * An iPXE script (ipxe.org/scripting). Where the files are is, in this order: the setting `base-url`, `baseUrl`,
 * the folder that this script itself came from (`cwduri`). A site may also set `fgimage-args` (more kernel
 * arguments) and `fgimage-initrd` (URL of one more initial RAM disk, e.g. with a site overlay) and chain here.
 */
export function ipxeScript({files, cmdline, baseUrl}: BootScriptOptions): string {
  const preset =
    baseUrl === undefined ? '' : `isset \${base-url} || set base-url ${oneLine(withoutSlash(baseUrl))}\n`;
  return `#!ipxe
# Settings that may be made before this script is chained: base-url, fgimage-args, fgimage-initrd.
${preset}isset \${base-url} && set fgimage-from \${base-url}/ || set fgimage-from \${cwduri}
isset \${fgimage-initrd} && set fgimage-second initrd=site.img || clear fgimage-second
set fgimage-root fetch=\${fgimage-from}${files.rootfs} BOOTIF=01-\${netX/mac:hexhyp}
set fgimage-all initrd=${files.initrd} \${fgimage-second} \${fgimage-root} ${oneLine(cmdline)} \${fgimage-args}
kernel \${fgimage-from}${files.kernel} \${fgimage-all} || goto failed
initrd --name ${files.initrd} \${fgimage-from}${files.initrd} || goto failed
isset \${fgimage-initrd} || goto start
initrd --name site.img \${fgimage-initrd} || goto failed
:start
boot || goto failed
:failed
echo fgimage: network boot failed
sleep 10
exit 1
`;
}

/**
 * A PXELINUX configuration (syslinux wiki, "SYSLINUX config"), for `pxelinux.cfg/default` beside the files. Without
 * `baseUrl` the root comes by HTTP from the DHCP answer's next server: live-boot puts it between the second
 * and the third slash.
 */
export function pxelinuxConfig({files, cmdline, baseUrl}: BootScriptOptions): string {
  const from = baseUrl === undefined ? 'http://' : oneLine(withoutSlash(baseUrl));
  return lines(
    'DEFAULT fgimage',
    'PROMPT 0',
    'LABEL fgimage',
    `  KERNEL ${files.kernel}`,
    `  APPEND initrd=${files.initrd} fetch=${from}/${files.rootfs} ${oneLine(cmdline)}`,
    '  IPAPPEND 2',
  );
}

function lines(...text: readonly string[]): string {
  return `${text.join('\n')}\n`;
}

/** Both formats are lines of words: what comes from a spec may not begin a line of its own. */
function oneLine(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ');
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
