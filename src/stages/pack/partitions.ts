/** A disk's partitions in order, sizes in MiB; the last takes the rest. */
export interface PartitionRequest {
  readonly name: string;
  /** GPT partition type GUID. */
  readonly type: string;
  readonly uuid: string;
  readonly sizeMiB?: number;
}

export interface PlacedPartition extends PartitionRequest {
  readonly firstSector: number;
  readonly sectors: number;
}

export const mebibyte = 1 << 20;
const sectorBytes = 512;
const sectorsPerMiB = mebibyte / sectorBytes;

/** GPT partition types (UEFI 2.10, table 5.7; GRUB manual; uapi-group's Discoverable Partitions Specification). */
export const partitionType = {
  biosBoot: '21686148-6449-6E6F-744E-656564454649',
  efiSystem: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  rootAmd64: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
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

/** Input of sfdisk(8) for a GPT with these partitions. */
export function sfdiskScript(diskUuid: string, partitions: readonly PlacedPartition[]): string {
  const rows = partitions.map(
    ({firstSector, sectors, type, uuid, name}) =>
      `start=${String(firstSector)}, size=${String(sectors)}, type=${type}, uuid=${uuid.toUpperCase()}, name="${name}"`,
  );
  return [
    'label: gpt',
    `label-id: ${diskUuid.toUpperCase()}`,
    'unit: sectors',
    'sector-size: 512',
    '',
    ...rows,
    '',
  ].join('\n');
}
