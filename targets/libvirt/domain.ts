import type {Os} from '../../src/spec/image.ts';
import type {Firmware} from '../contract.ts';
import {xmlText} from '../shared/xml.ts';

export interface Domain {
  readonly name: string;
  /** A UUID, or what the pack stage makes one of. */
  readonly uuid: string;
  readonly type: 'kvm' | 'qemu';
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly network: string;
  readonly firmware: Firmware;
  readonly format: 'qcow2' | 'raw';
  /** Where the disk lies, an absolute path. */
  readonly disk: string;
  /** The release's code name. */
  readonly os: string;
  readonly architecture: Os['architecture'];
}

/** Names of libosinfo's database (https://libosinfo.org), which virt-manager and virt-install read. */
const osIds: Readonly<Record<string, string>> = {
  bullseye: 'http://debian.org/debian/11',
  bookworm: 'http://debian.org/debian/12',
  trixie: 'http://debian.org/debian/13',
  forky: 'http://debian.org/debian/testing',
  sid: 'http://debian.org/debian/testing',
  jammy: 'http://ubuntu.com/ubuntu/22.04',
  noble: 'http://ubuntu.com/ubuntu/24.04',
  resolute: 'http://ubuntu.com/ubuntu/26.04',
};

/** `virt` is the one kind of machine of arm64; what its interrupt controller is called differs, and libvirt chooses it. */
const machines = {
  amd64: {type: "arch='x86_64' machine='q35'", features: '<acpi/>\n    <apic/>'},
  arm64: {type: "arch='aarch64' machine='virt'", features: '<acpi/>\n    <gic/>'},
} as const;

/** A domain (https://libvirt.org/formatdomain.html): virtio, a serial console, and a channel for QEMU's guest agent. */
export function domainXml(domain: Domain): string {
  const {name, uuid, type, cpus, memoryMiB, network, firmware, format, disk, os} = domain;
  const machine = machines[domain.architecture];
  const cpu = type === 'kvm' ? "<cpu mode='host-passthrough' migratable='on'/>" : "<cpu mode='maximum'/>";
  return `<domain type='${type}'>
  <name>${xmlText(name)}</name>
  <uuid>${uuid}</uuid>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo='http://libosinfo.org/xmlns/libvirt/domain/1.0'>
      <libosinfo:os id='${osIds[os] ?? 'http://libosinfo.org/linux/2022'}'/>
    </libosinfo:libosinfo>
  </metadata>
  <memory unit='MiB'>${memoryMiB}</memory>
  <vcpu>${cpus}</vcpu>
  <os${firmware === 'uefi' ? " firmware='efi'" : ''}>
    <type ${machine.type}>hvm</type>
    <boot dev='hd'/>
  </os>
  <features>
    ${machine.features}
  </features>
  ${cpu}
  <clock offset='utc'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='${format}' discard='unmap'/>
      <source file='${xmlText(disk)}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'>
      <source network='${xmlText(network)}'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'>
      <target port='0'/>
    </serial>
    <console type='pty'>
      <target type='serial' port='0'/>
    </console>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <rng model='virtio'>
      <backend model='random'>/dev/urandom</backend>
    </rng>
  </devices>
</domain>
`;
}
