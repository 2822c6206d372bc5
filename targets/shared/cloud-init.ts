import type {TargetFile} from '../contract.ts';

/** What cloud-init takes from a target's cloud, and how. `further`: lines of the distribution, and of the target. */
export function cloudInitFile(
  target: string,
  datasources: readonly string[],
  further: readonly string[],
): TargetFile {
  const content = `# fgimage: what a guest of the target ${target} takes from its cloud, and how.
datasource_list: [${datasources.join(', ')}]
disable_root: true
ssh_pwauth: false
ssh_deletekeys: true
growpart:
  mode: auto
  devices: ['/']
resize_rootfs: true
# The image's own locale stays; generating another would take a new guest half a minute.
locale: false
${further.join('')}`;
  return {path: '/etc/cloud/cloud.cfg.d/90-fgimage.cfg', content, permissions: '0644'};
}
