/** A disk's partitions in order; the last takes the rest. */
export interface PartitionRequest {
  readonly name: string;
  readonly type: PartitionType;
  /** GPT only: an entry of an MBR has none. */
  readonly uuid: string;
  readonly sizeMiB?: number;
}

export interface PlacedPartition extends PartitionRequest {
  readonly firstSector: number;
  readonly sectors: number;
}

export type PartitionType = keyof typeof partitionTypes;

export const mebibyte = 1 << 20;
const sectorBytes = 512;
const sectorsPerMiB = mebibyte / sectorBytes;

/**
 * GPT type (UEFI 2.10, table 5.7; GRUB manual; uapi-group's Discoverable Partitions Specification) and MBR type of each
 * kind of partition. An MBR has no place for GRUB but the gap before its first partition.
 */
export const partitionTypes = {
  biosBoot: {gpt: '21686148-6449-6E6F-744E-656564454649', mbr: undefined},
  efiSystem: {gpt: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B', mbr: 'ef'},
  boot: {gpt: 'BC13C2FF-59E6-4262-A352-B275FD6F7172', mbr: '83'},
  swap: {gpt: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F', mbr: '82'},
  linux: {gpt: '0FC63DAF-8483-4772-8E79-3D69D8477DE4', mbr: '83'},
  rootAmd64: {gpt: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709', mbr: '83'},
  rootArm64: {gpt: 'B921B045-1DF0-41C3-AF44-4C6F280D3FAE', mbr: '83'},
} as const;

/** Places partitions on a disk, each on a MiB; the first MiB and the last hold the GPT. */
export function placePartitions(
  requests: readonly PartitionRequest[],
  diskMiB: number,
): readonly PlacedPartition[] {
  let at = 1;
  return requests.map((request) => {
    const sizeMiB = request.sizeMiB ?? diskMiB - 1 - at;
    const placed = {...request, firstSector: at * sectorsPerMiB, sectors: sizeMiB * sectorsPerMiB};
    at += sizeMiB;
    return placed;
  });
}

/** Input of sfdisk(8) for a partition table; an MBR's id is the first 32 bits of the disk's UUID. */
export function sfdiskScript(
  table: 'gpt' | 'mbr',
  diskUuid: string,
  partitions: readonly PlacedPartition[],
): string {
  const rows = partitions.map((partition) => row(table, partition));
  return [
    `label: ${table === 'gpt' ? 'gpt' : 'dos'}`,
    `label-id: ${table === 'gpt' ? diskUuid.toUpperCase() : `0x${diskUuid.slice(0, 8)}`}`,
    'unit: sectors',
    'sector-size: 512',
    '',
    ...rows,
    '',
  ].join('\n');
}

function row(table: 'gpt' | 'mbr', {firstSector, sectors, type, uuid, name}: PlacedPartition): string {
  const place = `start=${String(firstSector)}, size=${String(sectors)}`;
  if (table === 'gpt')
    return `${place}, type=${partitionTypes[type].gpt}, uuid=${uuid.toUpperCase()}, name="${name}"`;
  // Some firmwares start no disk without an active partition.
  return `${place}, type=${partitionTypes[type].mbr ?? ''}${name === 'root' ? ', bootable' : ''}`;
}
