/**
 * The network that QEMU makes for one guest (qemu-system-x86_64(1), `-netdev user`): DHCP, a way out, this host at
 * `host`. Addresses that services of a cloud answer on must lie inside it, else QEMU does not forward them.
 */
export interface GuestNetwork {
  /** The network as `address/prefix`. */
  readonly range: string;
  readonly prefix: number;
  readonly mask: string;
  /** This host, as the guest sees it; also its gateway. */
  readonly host: string;
  readonly nameServer: string;
  /** What DHCP gives the guest. */
  readonly guest: string;
  /** What a platform gives the guest that tells addresses itself: another one, so that the two can be told apart. */
  readonly given: string;
}

export const privateNetwork: GuestNetwork = {
  range: '10.0.2.0/24',
  prefix: 24,
  mask: '255.255.255.0',
  host: '10.0.2.2',
  nameServer: '10.0.2.3',
  guest: '10.0.2.15',
  given: '10.0.2.77',
};

/**
 * Wide enough for 169.254.169.254, Azure's 168.63.129.16 and a private address of the guest's own. A network of
 * link-local addresses would be none that the guest takes for its way out.
 */
export const cloudNetwork: GuestNetwork = {
  range: '168.0.0.0/5',
  prefix: 5,
  mask: '248.0.0.0',
  host: '172.16.0.2',
  nameServer: '172.16.0.3',
  guest: '172.16.0.15',
  given: '172.16.0.77',
};

/** Where most clouds answer their instances: RFC 3927's range, so that no router passes it on. */
export const metadataAddress = '169.254.169.254';
