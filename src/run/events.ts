import type {Reason} from '../plan/explain.ts';
import type {RegistrationEvent} from './registration-events.ts';

/**
 * Everything that happens in a run, as one closed union. The runner emits; the terminal view, plain lines and
 * `--json` consume the same stream and decide nothing. `--json` prints one of these a line.
 * docs/reference/events.schema.json says the same as a JSON Schema; a test compares the two.
 */
export type RunEvent =
  | RunStarted
  | StagePlanned
  | StageCached
  | StageFetched
  | StageWaiting
  | StageStarted
  | StageProgress
  | StageLog
  | StageFinished
  | StageFailed
  | StageSkipped
  | RegistrationEvent
  | ContentCorrupt
  | Warning
  | RunFinished;

/** An event as consumers get it: `seq` is its place in the run's stream, from 1. */
export type SequencedEvent = RunEvent & {readonly seq: number};

/** Numbers the events of one run, so that whoever emits them need not. */
export function sequence(emit: (event: SequencedEvent) => void): (event: RunEvent) => void {
  let seq = 0;
  return (event) => {
    seq += 1;
    emit({seq, ...event});
  };
}

interface EventBase {
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface RunStarted extends EventBase {
  readonly type: 'run-started';
  readonly version: 2;
  readonly runId: string;
  readonly file: string;
  /** The command line, e.g. `fgimage build web`. */
  readonly command: string;
  readonly images: readonly string[];
  /** The lock that the run follows; absent: none. */
  readonly lock?: string;
}

/** What a stage is, told once before anything runs; later events name it by `stage`. */
export interface StagePlanned extends EventBase {
  readonly type: 'stage-planned';
  /** Unique in the run, e.g. `customize:web/packages`. */
  readonly stage: string;
  /** The first word of `stage`: archive, base, customize, adapt, initramfs, pack, test. */
  readonly kind: string;
  /** What a person reads, e.g. `customize web: packages`. */
  readonly title: string;
  readonly image?: string;
  readonly target?: string;
  readonly dependsOn: readonly string[];
}

/**
 * What the stage gives is known, and it need not run. It may start after all, later in the same run: when a stage that
 * must run needs its content, and that is nowhere any more.
 */
export interface StageCached extends EventBase {
  readonly type: 'stage-cached';
  readonly stage: string;
  readonly key: string;
  readonly digest: string;
  /** Which cache knew it. */
  readonly from: 'local' | 'remote';
  /** How long it took when it ran. */
  readonly savedMs: number;
  /** SHA-256 of the log of when it ran. */
  readonly log?: string;
}

/** The content of a cached stage was brought from a remote cache, for a stage that must run. */
export interface StageFetched extends EventBase {
  readonly type: 'stage-fetched';
  readonly stage: string;
  /** Of what was transferred. */
  readonly sizeBytes: number;
  readonly durationMs: number;
  /** The remote cache, e.g. `s3://images/fgimage`. */
  readonly from: string;
}

/** Another fgimage process is running the same key; this one takes its result. */
export interface StageWaiting extends EventBase {
  readonly type: 'stage-waiting';
  readonly stage: string;
  readonly owner: {
    readonly pid: number;
    readonly host: string;
    /** Its command line, e.g. `fgimage build web`. */
    readonly command: string;
    /** Milliseconds since the epoch. */
    readonly since: number;
  };
}

export interface StageStarted extends EventBase {
  readonly type: 'stage-started';
  readonly stage: string;
  readonly key: string;
  /** Where the log grows while the stage runs. */
  readonly logPath: string;
  /** Why it is not a hit, what tells most first. */
  readonly reasons?: readonly Reason[];
}

export interface StageProgress extends EventBase {
  readonly type: 'stage-progress';
  readonly stage: string;
  /** What it is doing now: `Unpacking libc6`, `Downloading 12 of 80 MB`, `booting (UEFI)`. */
  readonly message: string;
  /** 0 to 1, where it is known. */
  readonly fraction?: number;
}

/** One line of a stage's output; the whole log is a file. */
export interface StageLog extends EventBase {
  readonly type: 'stage-log';
  readonly stage: string;
  readonly line: string;
}

export interface StageFinished extends EventBase {
  readonly type: 'stage-finished';
  readonly stage: string;
  readonly digest: string;
  readonly durationMs: number;
  /** SHA-256 of its log. */
  readonly log: string;
  /** Whether it gave the same content as the last time: what follows it is not run again because of it. */
  readonly unchanged: boolean;
  /** A test stage's results, by name. */
  readonly checks?: readonly CheckResult[];
}

export interface StageFailed extends EventBase {
  readonly type: 'stage-failed';
  readonly stage: string;
  readonly durationMs: number;
  readonly failure: StageFailure;
  /** SHA-256 of its log; absent when it failed before it began. */
  readonly log?: string;
  readonly checks?: readonly CheckResult[];
  /** Folder with what the stage left, and a `rerun.sh` that runs its last command again (`--keep-work`). */
  readonly keptWork?: string;
}

/** Not run, because a stage it needs failed or the run was cancelled. */
export interface StageSkipped extends EventBase {
  readonly type: 'stage-skipped';
  readonly stage: string;
  /** The stage whose failure is the root of it; absent when cancelled. */
  readonly because?: string;
}

/** Content of the cache is not what it was when it was made: it is set aside, and made or fetched again. */
export interface ContentCorrupt extends EventBase {
  readonly type: 'content-corrupt';
  /** The stage that gave it. */
  readonly stage: string;
  readonly digest: string;
  /** In words, e.g. `usr/bin/jq is not what it was`. */
  readonly problem: string;
  /** Where it lies now. */
  readonly place: string;
}

export interface Warning extends EventBase {
  readonly type: 'warning';
  readonly message: string;
  readonly hint?: string;
  readonly stage?: string;
}

export interface RunFinished extends EventBase {
  readonly type: 'run-finished';
  readonly outcome: 'done' | 'failed' | 'cancelled';
  readonly durationMs: number;
  readonly stages: {
    readonly run: number;
    readonly cached: number;
    readonly failed: number;
    readonly skipped: number;
  };
  /** The sum of `savedMs` of what was cached. */
  readonly savedMs: number;
  /** The stages that determined how long the run took, in order; empty when nothing ran. */
  readonly criticalPath: readonly PathStep[];
  readonly outputs: readonly Output[];
  /** A file with the run's timeline, for Perfetto or chrome://tracing; absent when nothing ran. */
  readonly trace?: string;
  /** What became of the remote cache, in one line; absent without one. */
  readonly remote?: string;
}

/** A stage on the critical path, with the time for which everything waited for it. */
export interface PathStep {
  readonly stage: string;
  readonly durationMs: number;
}

/** One target of one image, as it now lies in the output folder. */
export interface Output {
  readonly image: string;
  readonly target: string;
  readonly state: 'built' | 'cached' | 'failed' | 'skipped';
  /** Folder with the artifact and manifest.json; absent when there is none. */
  readonly path?: string;
  /** The main file's name in that folder. */
  readonly file?: string;
  readonly sizeBytes?: number;
  readonly digest?: string;
  readonly tested?: 'passed' | 'failed' | 'not tested';
  /** Time spent on the stages that only this target needs. */
  readonly durationMs?: number;
}

export interface CheckResult {
  /** e.g. `uefi: systemd reached its target`, `command: id alice`. */
  readonly name: string;
  readonly passed: boolean;
  /** Why not, or what was found. */
  readonly detail?: string;
}

/** Why a stage failed: expected failures only; a defect is thrown. */
export type StageFailure =
  | {
      readonly reason: 'command-failed';
      readonly command: readonly string[];
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly lastLines: readonly string[];
      readonly logPath: string;
      readonly hint?: string;
    }
  | {
      readonly reason: 'timed-out';
      readonly what: string;
      readonly timeoutMs: number;
      readonly lastLines: readonly string[];
      readonly logPath: string;
      readonly hint?: string;
    }
  | {
      readonly reason: 'checks-failed';
      readonly failed: readonly string[];
      readonly lastLines: readonly string[];
      readonly logPath: string;
    }
  | {readonly reason: 'unknown-package'; readonly diagnostics: readonly string[]}
  | {readonly reason: 'input-changed'; readonly paths: readonly string[]}
  | {readonly reason: 'no-space'; readonly message: string; readonly hint: string}
  /** With the same key, since `fgimage watch` was begun: what it is made of has not changed. */
  | {readonly reason: 'failed-before'; readonly hint: string}
  | {readonly reason: 'io-error'; readonly message: string; readonly hint: string}
  | {readonly reason: 'tool-missing'; readonly tool: string; readonly hint: string}
  | {
      readonly reason: 'refused';
      readonly message: string;
      readonly hint: string;
      /** What else there is to say, one line each. */
      readonly details?: readonly string[];
    };
