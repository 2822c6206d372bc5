import type {Os} from '../../../spec/image.ts';
import type {Check} from '../check.ts';
import type {KeyOwner} from '../instance-checks.ts';
import type {AnswerTo} from '../metadata.ts';
import type {GuestNetwork} from '../network.ts';
import type {SmbiosTable} from '../qemu.ts';

/**
 * An infrastructure as a guest sees it: what is different about the machine, and where the guest finds its identity,
 * its key and its user data. One module each; what is served is made here, as data, and nothing is started.
 */
export interface PlatformModule {
  readonly network: GuestNetwork;
  /** Who gets the instance's key. */
  readonly keyOwner: KeyOwner;
  /** Beside the arrival of the key and the login with it. */
  checks(identity: Identity): readonly Check[];
  surroundings(instance: Instance): Surroundings;
}

/** The instance that a boot plays: made anew for each, so that nothing of an earlier one can pass for it. */
export interface Identity {
  /** 17 hexadecimal digits. */
  readonly id: string;
  /** Without a domain. */
  readonly hostName: string;
  /** One line: type, key, comment. */
  readonly publicKey: string;
  readonly macAddress: string;
  readonly network: GuestNetwork;
}

export interface Instance extends Identity {
  readonly architecture: Os['architecture'];
  /** User data that run the checks, as cloud-init takes them. */
  readonly userData: string;
  /** The same as a script for agents other than cloud-init. */
  readonly startScript: string;
}

export interface Surroundings {
  readonly smbios?: readonly SmbiosTable[];
  readonly discs?: readonly Disc[];
  readonly services?: readonly MetadataService[];
  /** Files that the infrastructure writes into the disk before it is started. */
  readonly injected?: readonly InjectedFile[];
  /** The name that DHCP tells. */
  readonly dhcpHostName?: string;
  /** Model of the network card; virtio where it is left out. */
  readonly networkCard?: 'virtio-net-pci' | 'vmxnet3';
  /** Model of the SCSI adapter, of disks that are attached to one. */
  readonly scsiAdapter?: 'virtio-scsi-pci' | 'pvscsi';
  /** Address that the guest must have; that of DHCP where it is left out. */
  readonly address?: string;
}

/** An ISO 9660 file system. */
export interface Disc {
  readonly label: string;
  /** `disk`: on virtio, for kernels that know neither IDE nor SATA. */
  readonly drive: 'cd-rom' | 'disk';
  /** Contents by path. */
  readonly files: Readonly<Record<string, string>>;
}

/** What answers HTTP at an address that the guest knows by heart. */
export interface MetadataService {
  readonly address: string;
  readonly port: number;
  readonly answer: AnswerTo;
}

export interface InjectedFile {
  /** Absolute path in the image. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}
