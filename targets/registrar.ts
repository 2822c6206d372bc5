import type {Image, JsonObject} from '../src/spec/image.ts';

/**
 * How artifacts are made known to one infrastructure. A registrar says what is there and does one thing at a time;
 * what is to be done is decided by src/register, which is the same for all.
 *
 * Trouble is thrown: an `FgError` for what a user can mend (`CREDENTIALS_MISSING`, `REMOTE_REFUSED`, …) with the
 * service's own words in it, a `RemoteError` for calls that failed; never with a credential in the text.
 */
export interface Registrar {
  /** What it talks to, for people and the catalog: a URL or a folder, without credentials. */
  readonly endpoint: string;
  /** What the registered image is to say of itself, in the infrastructure's own names; compared with what is found. */
  readonly properties: RemoteProperties;
  /** Whether a name can be given once only: somebody else's image of that name is then an error. */
  readonly hasUniqueNames: boolean;
  /**
   * Everything there that may matter: images with our mark of this lineage or with the wanted name, in whatever state.
   * One round trip where the service can.
   */
  find(): Promise<readonly RemoteImage[]>;
  /** One image by its id; undefined where it is gone. */
  get(id: string): Promise<RemoteImage | undefined>;
  /**
   * Uploads the artifact and registers it, or goes on with `unfinished`, an image with our mark and digest that did not
   * get further. Returns when the service says that it is ready and its digest and properties are what was sent.
   */
  create(artifact: Artifact, progress: CreateProgress, unfinished?: RemoteImage): Promise<RemoteImage>;
  /** Makes the properties what they are to be, in place. */
  update(remote: RemoteImage, changes: readonly PropertyChange[]): Promise<RemoteImage>;
  /** Takes an image away with all that was made for it (its snapshot, its template, its parts). Gone is fine. */
  remove(remote: RemoteImage): Promise<void>;
  /** Marks a superseded image so that nobody begins to use it; absent: the infrastructure knows no such mark. */
  deprecate?(remote: RemoteImage): Promise<void>;
}

export type RemoteProperties = Readonly<Record<string, string>>;

/** Opens a registrar: reads options and credentials, and asks nobody yet. */
export type OpenRegistrar = (request: RegistrarRequest) => Promise<Registrar>;

export interface RegistrarRequest {
  readonly image: Image;
  /** The key under `targets`. */
  readonly target: string;
  /** All options of the target; `register` holds those of the registration. */
  readonly options: JsonObject;
  /** What it is to be called there. */
  readonly name: string;
  readonly mark: Mark;
  readonly projectDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Ends every call: cancelled, or the time for the registration is over. */
  readonly signal: AbortSignal;
  readonly warn: (message: string, hint?: string) => void;
}

/** What fgimage puts on everything that it registers, so that it is found again: as tags, properties or labels. */
export interface Mark {
  /** Digest of the artifact, hexadecimal SHA-256. */
  readonly digest: string;
  /** `<project>/<image>/<target>`: what its successors have too. */
  readonly lineage: string;
}

/** The names of the mark where an infrastructure has free names for properties. */
export const markNames = {digest: 'fgimage_digest', lineage: 'fgimage_lineage'} as const;

export interface RemoteImage {
  /** What the infrastructure calls it: an image id, an AMI id, a key. */
  readonly id: string;
  readonly name: string;
  /** Its mark; absent: it was not registered by fgimage. */
  readonly mark?: Mark;
  /** `pending`: on its way, or left on its way; `broken`: it will not become ready, or was disabled. */
  readonly health: 'ready' | 'pending' | 'broken';
  /** Its state in the service's own word, e.g. `saving`. */
  readonly status: string;
  /** Why it is broken, in the service's own words. */
  readonly reason?: string;
  /** The values of the properties that the registrar manages, as found. */
  readonly properties: RemoteProperties;
  /** Milliseconds since the epoch. */
  readonly createdAt?: number;
  readonly deprecated?: boolean;
  /** What the registrar needs to know of it later, e.g. the snapshot of an AMI; kept in the catalog. */
  readonly belongings?: RemoteProperties;
}

export interface PropertyChange {
  readonly name: string;
  /** Absent: it is not there. */
  readonly from?: string;
  /** Absent: it is to go. */
  readonly to?: string;
}

/** The files of an artifact, as the cache holds them; only to be read, and only in pieces. */
export interface Artifact {
  readonly folder: string;
  /** The one that is registered, as the pack stage names it: `disk.qcow2`. */
  readonly file: string;
  readonly format: string;
  readonly files: readonly {readonly path: string; readonly sizeBytes: number; readonly sha256: string}[];
  /** Of a disk. */
  readonly virtualSizeBytes?: number;
}

export interface CreateProgress {
  /** Told as soon as something with a mark is there, so that it is found again after a crash. */
  readonly begun: (id: string, belongings?: RemoteProperties) => void;
  /** What is being done, for people, and how much of it is done (0 to 1). */
  readonly report: (message: string, fraction?: number) => void;
}
