import {type Check, nothing} from '../check.ts';
import type {Remark} from '../finding.ts';
import {sshdOption} from '../sshd.ts';
import {shown} from '../tree.ts';

const keyFiles = /^\/etc\/(?:ssh\/ssh_host_[^/]*_key(?:-cert)?(?:\.pub)?|dropbear\/dropbear_[^/]*_host_key)$/;

/** Instances with one host key can pass for each other: sshd(8), FILES, and `HostKey` of sshd_config(5). */
export const sshHostKeys: Check = {
  name: 'ssh-host-keys',
  entry: ({path, type, sizeBytes}) =>
    type === 'file' && sizeBytes > 0 && keyFiles.test(path) ? [remark(path)] : nothing,
  tree: ({tree}) =>
    [...new Set(sshdOption(tree, 'HostKey').flat())].flatMap((named) => {
      const path = tree.resolve(named);
      const isThere = path !== undefined && (tree.entry(path)?.sizeBytes ?? 0) > 0;
      return isThere && !keyFiles.test(path) ? [remark(path)] : nothing;
    }),
};

function remark(path: string): Remark {
  const isPublic = path.endsWith('.pub');
  return {
    severity: isPublic ? 'medium' : 'high',
    path: shown(path),
    detail: isPublic
      ? 'the public half of an SSH host key'
      : 'an SSH host key: every instance would have the same',
  };
}
