import type {Firmware} from '../contract.ts';
import {xmlText} from '../shared/xml.ts';

/** A machine as OVF describes it. */
export interface OvfMachine {
  readonly version: '1.0' | '2.0';
  readonly name: string;
  readonly description?: string;
  /** The disk's file beside the descriptor. */
  readonly diskFile: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly hardwareVersion: number;
  readonly firmware: Firmware;
  readonly guestId: string;
  readonly network: string;
  readonly networkAdapter: string;
  readonly product: string;
  readonly vendor?: string;
  readonly productVersion?: string;
}

/**
 * An OVF descriptor (DMTF DSP0243 2.0.1 and 1.1.0; order and namespaces by their schemas, DSP8023). In version 2.0 disks
 * and network cards are elements of types of their own.
 *
 * The capacity is in bytes: VirtualBox reads no unit there. Sizes and digests are filled in by the pack stage.
 */
export function ovfDescriptor(machine: OvfMachine): string {
  const {version, name, description, diskFile, network} = machine;
  const text = description ?? `${name}, made by fgimage`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<Envelope ${envelopeAttributes(version)}>
  <References>
    <File ovf:href="${xmlText(diskFile)}" ovf:id="file1" ovf:size="{{size:${diskFile}}}"/>
  </References>
  <DiskSection>
    <Info>Virtual disks</Info>
    <Disk ovf:capacity="{{virtual-size-bytes}}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>Logical networks</Info>
    <Network ovf:name="${xmlText(network)}">
      <Description>The network that the machine is on</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="${xmlText(name)}">
    <Info>A virtual machine</Info>
    <Name>${xmlText(name)}</Name>
    <AnnotationSection>
      <Info>What it is for</Info>
      <Annotation>${xmlText(text)}</Annotation>
    </AnnotationSection>
${productSection(machine)}
    <OperatingSystemSection ovf:id="96" vmw:osType="${xmlText(machine.guestId)}">
      <Info>The guest operating system</Info>
      <Description>Debian GNU/Linux (64-bit)</Description>
    </OperatingSystemSection>
${hardwareSection(machine)}
  </VirtualSystem>
</Envelope>
`;
}

const cim = 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_';

function envelopeAttributes(version: OvfMachine['version']): string {
  const envelope = `http://schemas.dmtf.org/ovf/envelope/${version === '2.0' ? '2' : '1'}`;
  const own =
    version === '2.0'
      ? ` xmlns:epasd="${cim}EthernetPortAllocationSettingData" xmlns:sasd="${cim}StorageAllocationSettingData"`
      : '';
  return `ovf:version="${version}" xml:lang="en-US" xmlns="${envelope}" xmlns:ovf="${envelope}" xmlns:rasd="${cim}ResourceAllocationSettingData" xmlns:vssd="${cim}VirtualSystemSettingData"${own} xmlns:vmw="http://www.vmware.com/schema/ovf"`;
}

/** What cloud-init's OVF data source reads from the environment: whoever imports the machine fills it in. */
const properties = [
  {
    key: 'instance-id',
    value: 'id-ovf',
    text: 'Identity of the instance: another one makes cloud-init begin anew',
  },
  {key: 'hostname', value: '', text: 'Host name'},
  {key: 'public-keys', value: '', text: 'SSH public key of the default user'},
  {key: 'user-data', value: '', text: 'User data for cloud-init, in base64'},
  {key: 'network-config', value: '', text: "cloud-init's network configuration, in base64"},
] as const;

function productSection({product, vendor, productVersion}: OvfMachine): string {
  const facts = [
    `<Product>${xmlText(product)}</Product>`,
    ...(vendor === undefined ? [] : [`<Vendor>${xmlText(vendor)}</Vendor>`]),
    ...(productVersion === undefined ? [] : [`<Version>${xmlText(productVersion)}</Version>`]),
  ];
  const asked = properties.map(
    ({key, value, text}) =>
      `<Property ovf:key="${key}" ovf:type="string" ovf:userConfigurable="true" ovf:value="${value}">
        <Label>${key}</Label>
        <Description>${text}</Description>
      </Property>`,
  );
  return `    <ProductSection ovf:required="false">
      <Info>The product, and what cloud-init takes from the OVF environment</Info>
      ${[...facts, ...asked].join('\n      ')}
    </ProductSection>`;
}

type Fields = readonly (readonly [name: string, value: string | number])[];

function hardwareSection(machine: OvfMachine): string {
  const {version, name, cpus, memoryMiB, hardwareVersion, firmware} = machine;
  const isNew = version === '2.0';
  const disk: Fields = [
    ['AddressOnParent', 0],
    ['ElementName', 'Hard disk 1'],
    ['HostResource', 'ovf:/disk/vmdisk1'],
    ['InstanceID', 5],
    ['Parent', 3],
    ['ResourceType', 17],
  ];
  const compactDisc: Fields = [
    ['AddressOnParent', 0],
    ['AutomaticAllocation', 'false'],
    ['ElementName', 'CD/DVD drive 1'],
    ['InstanceID', 6],
    ['Parent', 4],
    ['ResourceType', 15],
  ];
  const items = [
    item([
      ['AllocationUnits', 'hertz * 10^6'],
      ['Description', 'Number of virtual CPUs'],
      ['ElementName', `${cpus} virtual CPUs`],
      ['InstanceID', 1],
      ['ResourceType', 3],
      ['VirtualQuantity', cpus],
    ]),
    item([
      ['AllocationUnits', 'byte * 2^20'],
      ['Description', 'Memory size'],
      ['ElementName', `${memoryMiB} MiB of memory`],
      ['InstanceID', 2],
      ['ResourceType', 4],
      ['VirtualQuantity', memoryMiB],
    ]),
    // VirtualBox takes an LSI Logic controller for it; the RAM disk knows both.
    item([
      ['Address', 0],
      ['Description', 'SCSI controller'],
      ['ElementName', 'SCSI controller 0'],
      ['InstanceID', 3],
      ['ResourceSubType', 'VirtualSCSI'],
      ['ResourceType', 6],
    ]),
    item([
      ['Address', 0],
      ['Description', 'IDE controller'],
      ['ElementName', 'IDE 0'],
      ['InstanceID', 4],
      ['ResourceType', 5],
    ]),
    ...(isNew ? [networkCard(machine)] : []),
    storageItem(disk, {isNew}),
    storageItem(compactDisc, {isNew, required: false}),
    ...(isNew ? [] : [networkCard(machine)]),
    ...(firmware === 'uefi'
      ? ['      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>']
      : []),
  ];
  return `    <VirtualHardwareSection ovf:transport="com.vmware.guestInfo iso">
      <Info>Virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual hardware family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>${xmlText(name)}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-${hardwareVersion}</vssd:VirtualSystemType>
      </System>
${items.join('\n')}
    </VirtualHardwareSection>`;
}

function networkCard({version, network, networkAdapter}: OvfMachine): string {
  const fields: Fields = [
    ['AddressOnParent', 7],
    ['AutomaticAllocation', 'true'],
    ['Connection', network],
    ['ElementName', 'Network adapter 1'],
    ['InstanceID', 7],
    ['ResourceSubType', networkAdapter],
    ['ResourceType', 10],
  ];
  return version === '2.0' ? element('EthernetPortItem', 'epasd', fields) : item(fields);
}

function storageItem(
  fields: Fields,
  {isNew, required}: {readonly isNew: boolean; readonly required?: boolean},
): string {
  return isNew ? element('StorageItem', 'sasd', fields, required) : element('Item', 'rasd', fields, required);
}

function item(fields: Fields): string {
  return element('Item', 'rasd', fields);
}

/** The fields are in the order of the CIM schemas, which is that of the alphabet. */
function element(tag: string, prefix: string, fields: Fields, required = true): string {
  const inner = fields.map(
    ([name, value]) => `        <${prefix}:${name}>${xmlText(String(value))}</${prefix}:${name}>`,
  );
  return [`      <${tag}${required ? '' : ' ovf:required="false"'}>`, ...inner, `      </${tag}>`].join('\n');
}
