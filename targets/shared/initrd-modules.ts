import type {AdaptPlan, TargetFile} from '../contract.ts';

/**
 * A plan with kernel modules that the initial RAM disk has whatever initramfs-tools finds out (initramfs-tools(7), hook
 * scripts): in the RAM disk that fgimage makes, and in those that the guest makes of newer kernels.
 */
export function withInitrdModules(plan: AdaptPlan, target: string, modules: readonly string[]): AdaptPlan {
  const hook = hookFile(target, modules);
  return {...plan, files: [...plan.files, hook], initramfsFiles: [...plan.initramfsFiles, hook]};
}

/** A module that a kernel lacks, or has built in, is passed over. */
function hookFile(target: string, modules: readonly string[]): TargetFile {
  return {
    path: `/etc/initramfs-tools/hooks/fgimage-${target}`,
    permissions: '0755',
    content: `#!/bin/sh
# Written by fgimage for the target ${target}: what its disks and networks are reached through.
set -e
if [ "$1" = prereqs ]; then
	exit 0
fi
. /usr/share/initramfs-tools/hook-functions
manual_add_modules ${modules.join(' ')}
`,
  };
}
