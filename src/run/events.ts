/**
 * Everything that happens in a run, as one closed union. The runner emits; the terminal view, plain lines and
 * `--json` consume the same stream and decide nothing. `--json` prints one of these a line.
 */
export type RunEvent =
  | RunStarted
  | StagePlanned
  | StageCached
  | StageWaiting
  | StageStarted
  | StageProgress
  | StageLog
  | StageFinished
  | StageFailed
  | StageSkipped
  | Warning
  | RunFinished;

interface EventBase {
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface RunStarted extends EventBase {
  readonly type: 'run-started';
  readonly version: 1;
  readonly runId: string;
  readonly file: string;
  readonly images: readonly string[];
}

/** What a stage is, told once before anything runs; later events name it by `stage`. */
export interface StagePlanned extends EventBase {
  readonly type: 'stage-planned';
  /** Unique in the run, e.g. `customize:web/packages`. */
  readonly stage: string;
  /** The first word of `stage`: archive, base, customize, adapt, pack, test. */
  readonly kind: string;
  /** What a person reads, e.g. `customize web: packages`. */
  readonly title: string;
  readonly image?: string;
  readonly target?: string;
  readonly dependsOn: readonly string[];
}

export interface StageCached extends EventBase {
  readonly type: 'stage-cached';
  readonly stage: string;
  readonly key: string;
  readonly digest: string;
  /** How long it took when it ran. */
  readonly savedMs: number;
}

/** Another fgimage process is running the same key; this one takes its result. */
export interface StageWaiting extends EventBase {
  readonly type: 'stage-waiting';
  readonly stage: string;
  readonly owner: {readonly pid: number; readonly host: string; readonly since: number};
}

export interface StageStarted extends EventBase {
  readonly type: 'stage-started';
  readonly stage: string;
  readonly key: string;
  readonly logPath: string;
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
  /** A test stage's results, by name. */
  readonly checks?: readonly CheckResult[];
}

export interface StageFailed extends EventBase {
  readonly type: 'stage-failed';
  readonly stage: string;
  readonly durationMs: number;
  readonly failure: StageFailure;
  readonly checks?: readonly CheckResult[];
}

/** Not run, because a stage it needs failed or the run was cancelled. */
export interface StageSkipped extends EventBase {
  readonly type: 'stage-skipped';
  readonly stage: string;
  /** The stage whose failure is the root of it; absent when cancelled. */
  readonly because?: string;
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
  readonly outputs: readonly Output[];
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
  | {readonly reason: 'tool-missing'; readonly tool: string; readonly hint: string}
  | {readonly reason: 'refused'; readonly message: string; readonly hint: string};
