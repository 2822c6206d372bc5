import {randomBytes} from 'node:crypto';
import {Refusal} from './model.ts';

export const peerAccount = '111122223333';

export interface PeerSnapshot {
  readonly id: string;
  readonly region: string;
  readonly sizeGib: number;
  readonly startedAt: Date;
  readonly description: string;
  readonly encrypted: boolean;
  readonly kmsKey: string | undefined;
  readonly timeoutMinutes: number | undefined;
  /** The token it was started with, and everything that was asked with it. */
  readonly token: string;
  readonly asked: string;
  readonly tags: Map<string, string>;
  /** SHA-256 of the blocks that were put, by index. */
  readonly blocks: Map<number, Buffer>;
  /** The disk as it was written. */
  readonly path: string;
  /** `open`: takes blocks; EC2 calls that pending as well. */
  state: 'open' | 'pending' | 'completed' | 'error';
  message?: string;
  pollsLeft: number;
  permissions: readonly Permission[];
}

export type Permission = Readonly<Record<string, string>>;

export interface PeerImage {
  readonly id: string;
  readonly region: string;
  readonly name: string;
  description: string;
  readonly createdAt: Date;
  /** What RegisterImage was told, with the service's defaults. */
  readonly architecture: string;
  readonly virtualization: string;
  readonly bootMode: string | undefined;
  readonly tpm: string | undefined;
  imds: string | undefined;
  readonly ena: boolean;
  readonly rootDevice: string;
  readonly mappings: readonly PeerMapping[];
  readonly tags: Map<string, string>;
  state: 'pending' | 'available' | 'failed' | 'disabled';
  reason?: {readonly Code: string; readonly Message: string};
  pollsLeft: number;
  permissions: readonly Permission[];
  deprecateAt?: Date;
  /** CopyImage's token. */
  readonly token?: string;
}

export interface PeerMapping {
  readonly device: string;
  readonly snapshotId: string;
  readonly sizeGib: number;
  readonly volumeType: string;
  readonly iops?: number;
  readonly throughput?: number;
}

export interface PeerImport {
  readonly id: string;
  readonly region: string;
  readonly bucket: string;
  readonly key: string;
  readonly description: string;
  readonly tags: Map<string, string>;
  readonly token: string;
  status: 'active' | 'completed' | 'deleted';
  message: string;
  pollsLeft: number;
  snapshotId?: string;
}

/** What makes a test's day: how the peer misbehaves. */
export interface Faults {
  /** Every so many calls one is refused with the service's word for "too many". */
  throttleEvery?: number;
  /** How often something is told to be pending before it is ready; Infinity: for ever. */
  pendingPolls?: number;
  /** How many blocks are answered with "no such snapshot", as right after StartSnapshot. */
  unknownPuts?: number;
  /** What every call of an action is refused with. */
  readonly refuse: Map<string, Refusal>;
  /** How import tasks end. */
  importFails?: string;
  /** How CopyImage ends. */
  copyFails?: string;
  /** Volume types of the region. */
  volumeTypes: readonly string[];
  /** Ends the connection without an answer, once the action is done. */
  readonly loseAnswer: Set<string>;
}

export class PeerState {
  readonly snapshots = new Map<string, PeerSnapshot>();
  readonly images = new Map<string, PeerImage>();
  readonly imports = new Map<string, PeerImport>();
  readonly buckets = new Map<string, Map<string, Buffer>>();
  readonly faults: Faults = {
    refuse: new Map(),
    volumeTypes: ['standard', 'gp2', 'gp3', 'io1', 'io2'],
    loseAnswer: new Set(),
  };
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  snapshot(id: string, region: string): PeerSnapshot {
    const found = this.snapshots.get(id);
    if (found?.region === region) return found;
    throw new Refusal('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);
  }

  image(id: string, region: string): PeerImage {
    const found = this.images.get(id);
    if (found?.region === region) return found;
    throw new Refusal('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
  }

  get polls(): number {
    return this.faults.pendingPolls ?? 0;
  }
}

export function newId(prefix: 'ami' | 'snap' | 'import-snap'): string {
  return `${prefix}-${randomBytes(9).toString('hex').slice(0, 17)}`;
}
