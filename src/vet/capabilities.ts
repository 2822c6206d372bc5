/** linux/capability.h, in the order of their numbers. */
const names = [
  ...['chown', 'dac_override', 'dac_read_search', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap'],
  ...['linux_immutable', 'net_bind_service', 'net_broadcast', 'net_admin', 'net_raw', 'ipc_lock'],
  ...['ipc_owner', 'sys_module', 'sys_rawio', 'sys_chroot', 'sys_ptrace', 'sys_pacct', 'sys_admin'],
  ...['sys_boot', 'sys_nice', 'sys_resource', 'sys_time', 'sys_tty_config', 'mknod', 'lease'],
  ...['audit_write', 'audit_control', 'setfcap', 'mac_override', 'mac_admin', 'syslog', 'wake_alarm'],
  ...['block_suspend', 'audit_read', 'perfmon', 'bpf', 'checkpoint_restore'],
];

const attribute = /^security\.capability=([0-9a-f]+)$/i;

/** File capabilities by absolute path, as getcap(8) names them, from extended attributes by path relative to the tree. */
export function capabilityWords(xattrs: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [path, attributes] of xattrs) {
    const hex = attributes.map((one) => attribute.exec(one)?.[1]).find((one) => one !== undefined);
    if (hex !== undefined) found.set(`/${path.replace(/^\/+/, '')}`, words(Buffer.from(hex, 'hex')));
  }
  return found;
}

/** `struct vfs_cap_data`, little endian: a magic number, then permitted and inheritable, twice 32 bits of each. */
function words(data: Buffer): string {
  if (data.length < 12) return 'file capabilities';
  const sets = [4, 8, 12, 16].map((at) => (at + 4 <= data.length ? data.readUInt32LE(at) : 0));
  const [permittedLow = 0, inheritableLow = 0, permittedHigh = 0, inheritableHigh = 0] = sets;
  const bits = BigInt(permittedLow | inheritableLow) & 0xffffffffn;
  const all = bits | ((BigInt(permittedHigh | inheritableHigh) & 0xffffffffn) << 32n);
  const held = names.filter((_, number) => ((all >> BigInt(number)) & 1n) === 1n);
  return held.length === 0 ? 'file capabilities' : held.map((name) => `cap_${name}`).join(', ');
}
