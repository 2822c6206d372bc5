/** Names that `register.properties` cannot hold (Glance, api/v2/images.py), with what stands in their place. */

const ownOptions: Readonly<Record<string, string>> = {
  name: 'register.name',
  visibility: 'register.visibility',
  protected: 'register.protected',
  os_hidden: 'register.hidden',
  min_disk: 'register.min_disk',
  min_ram: 'register.min_ram',
  members: 'register.members',
  disk_format: 'format',
};

const reserved = new Set([
  ...['checksum', 'container_format', 'created_at', 'deleted', 'deleted_at', 'direct_url', 'file', 'id'],
  ...['location', 'locations', 'os_hash_algo', 'os_hash_value', 'owner', 'schema', 'self', 'size', 'status'],
  ...['stores', 'tags', 'updated_at', 'virtual_size'],
]);

/** Why a property cannot have this name, and what to do; undefined where it can. */
export function reservedProblem(name: string): {readonly reason: string; readonly mend: string} | undefined {
  const option = Object.hasOwn(ownOptions, name) ? ownOptions[name] : undefined;
  if (option !== undefined)
    return {reason: `${name} is no property but an attribute of every image`, mend: `Use ${option}`};
  if (reserved.has(name) || name.startsWith('os_glance_'))
    return {reason: `${name} is reserved by Glance`, mend: 'Leave it out, or take another name'};
  if (name.startsWith('fgimage_'))
    return {reason: `${name} is what fgimage finds its images by`, mend: 'Take a name that begins otherwise'};
  return undefined;
}

/** Properties that Nova, Cinder and Glance read ("Useful image properties"), for telling slips of the pen. */
export const knownProperties: readonly string[] = [
  ...['architecture', 'cinder_encryption_key_id', 'hypervisor_type', 'hypervisor_version_requires'],
  ...['img_config_drive', 'img_linked_clone', 'img_hide_hypervisor_id', 'img_signature', 'instance_uuid'],
  ...['hw_architecture', 'hw_auto_disk_config', 'hw_boot_menu', 'hw_cdrom_bus', 'hw_cpu_cores'],
  ...['hw_cpu_max_cores', 'hw_cpu_max_sockets', 'hw_cpu_max_threads', 'hw_cpu_policy', 'hw_cpu_sockets'],
  ...['hw_cpu_thread_policy', 'hw_cpu_threads', 'hw_disk_bus', 'hw_emulation_architecture'],
  ...['hw_emulator_threads_policy', 'hw_ephemeral_encryption', 'hw_firmware_stateless', 'hw_firmware_type'],
  ...['hw_floppy_bus', 'hw_input_bus', 'hw_ipxe_boot', 'hw_locked_memory', 'hw_machine_type'],
  ...['hw_maxphysaddr_bits', 'hw_maxphysaddr_mode', 'hw_mem_encryption', 'hw_mem_page_size', 'hw_numa_nodes'],
  ...['hw_pci_numa_affinity_policy', 'hw_pmu', 'hw_pointer_model', 'hw_qemu_guest_agent', 'hw_rescue_bus'],
  ...['hw_rescue_device', 'hw_rng_model', 'hw_scsi_model', 'hw_serial_port_count', 'hw_sound_model'],
  ...['hw_time_hpet', 'hw_tpm_model', 'hw_tpm_version', 'hw_usb_model', 'hw_vif_model'],
  ...['hw_vif_multiqueue_enabled', 'hw_video_model', 'hw_video_ram', 'hw_viommu_model'],
  ...['hw_virtio_packed_ring', 'hw_vtpm_secret_security', 'hw_watchdog_action', 'kernel_id', 'ramdisk_id'],
  ...['os_admin_user', 'os_command_line', 'os_distro', 'os_require_quiesce', 'os_secure_boot'],
  ...['os_shutdown_timeout', 'os_skip_agent_inject_files_at_boot', 'os_skip_agent_inject_ssh', 'os_type'],
  ...['os_version', 'vmware_adaptertype', 'vmware_disktype', 'vmware_ostype', 'vm_mode'],
];
