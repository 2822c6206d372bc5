/** What happens when artifacts are made known to infrastructures; part of the stream of src/run/events.ts. */
export type RegistrationEvent =
  | RegistrationStarted
  | RegistrationProgress
  | RegistrationFinished
  | RegistrationFailed;

interface EventBase {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Unique in the run, e.g. `register:web/openstack`. */
  readonly registration: string;
}

export interface RegistrationStarted extends EventBase {
  readonly type: 'registration-started';
  readonly image: string;
  readonly target: string;
  /** Of the artifact. */
  readonly digest: string;
}

export interface RegistrationProgress extends EventBase {
  readonly type: 'registration-progress';
  /** What is being done: `Uploading disk.qcow2`. */
  readonly message: string;
  /** 0 to 1, where it is known. */
  readonly fraction?: number;
}

/** The infrastructure has the image, as it is to be. */
export interface RegistrationFinished extends EventBase {
  readonly type: 'registration-finished';
  /** `finished`: an upload that was interrupted was brought to its end. */
  readonly did: 'created' | 'finished' | 'updated' | 'kept';
  /** What it talked to, without credentials. */
  readonly endpoint: string;
  /** What the infrastructure calls the image. */
  readonly id: string;
  readonly name: string;
  readonly durationMs: number;
  /** Names of the properties that were changed. */
  readonly changed: readonly string[];
  /** Ids of older images, and of what was left of earlier attempts, that were taken away. */
  readonly removed: readonly string[];
  /** Ids of superseded images that were marked as deprecated. */
  readonly deprecated: readonly string[];
}

export interface RegistrationFailed extends EventBase {
  readonly type: 'registration-failed';
  /** One of docs/reference/errors.md. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly durationMs: number;
}
