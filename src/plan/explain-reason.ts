/**
 * Why a stage is not a hit, as data: a closed union by `reason`, fit for JSON. The codes do not change from release to
 * release; docs/reference/reasons.md lists them, src/ui/reasons.ts words them.
 *
 * Values of options never hold secrets here: `was` and `is` are left out where they would (explain-secret.ts).
 */
import type {JsonValue} from '../spec/image.ts';

export type Reason =
  | Plain<'never-built'>
  | NoRecord
  | Evicted
  | Plain<'content-missing'>
  | Corrupt
  | Plain<'not-durable'>
  | Plain<'untrusted'>
  | Plain<'forced'>
  | Plain<'cache-off'>
  | ToolMissing
  | UpstreamRuns
  | Plain<'key-schema'>
  | PackageReason<'package-added'>
  | PackageReason<'package-removed'>
  | PackageChanged
  | OptionReason<'option-added'>
  | OptionReason<'option-removed'>
  | OptionReason<'option-changed'>
  | FileReason<'file-added'>
  | FileReason<'file-removed'>
  | FileReason<'file-changed'>
  | ToolReason<'tool-added'>
  | ToolReason<'tool-removed'>
  | ToolReason<'tool-changed'>
  | EnvironmentChanged
  | Salt
  | Implementation
  | Kind
  | UpstreamReason<'upstream-added'>
  | UpstreamReason<'upstream-removed'>
  | UpstreamReason<'upstream-changed'>
  | UpstreamOrder;

export type ReasonCode = Reason['reason'];

/** Where a value is written in the spec; lines and columns count from 1. */
export interface SpecPosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A reason that says everything by its code. */
interface Plain<Code extends string> {
  readonly reason: Code;
}

/** The key was used before, and that run did not end the stage. */
interface NoRecord {
  readonly reason: 'no-record';
  readonly run: string;
}

interface Evicted {
  readonly reason: 'evicted';
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The bound that gc kept, e.g. `max-size`. */
  readonly why: string;
}

/** The content did not match its digest and was put into quarantine. */
interface Corrupt {
  readonly reason: 'corrupt';
  /** Milliseconds since the epoch. */
  readonly at: number;
}

interface ToolMissing {
  readonly reason: 'tool-missing';
  readonly tool: string;
}

/** A stage below has to run first: its output, and with it this stage's key, is not known yet. */
interface UpstreamRuns {
  readonly reason: 'upstream-runs';
  readonly stage: string;
}

interface PackageReason<Code extends string> {
  readonly reason: Code;
  readonly package: string;
  /** Which list it is on: packages to install, or to remove. */
  readonly list: 'install' | 'remove';
  readonly position?: SpecPosition;
}

/** The same package in another version; absent: whichever the archive has. */
interface PackageChanged extends PackageReason<'package-changed'> {
  readonly was?: string;
  readonly is?: string;
}

interface OptionReason<Code extends string> {
  readonly reason: Code;
  /** Its path in the image's section of the spec, e.g. `users[1].shell`; a derived one by its own path. */
  readonly option: string;
  readonly was?: JsonValue;
  readonly is?: JsonValue;
  readonly position?: SpecPosition;
}

interface FileReason<Code extends string> {
  readonly reason: Code;
  /** Relative to the project. */
  readonly path: string;
  /** SHA-256, with `+x` where it is executable. */
  readonly was?: string;
  readonly is?: string;
}

interface ToolReason<Code extends string> {
  readonly reason: Code;
  readonly tool: string;
  /** Version and `sha256:` with the digest of the program. */
  readonly was?: string;
  readonly is?: string;
}

/** A variable that the stage's commands are given; `was` or `is` is absent where it was not or is not set. */
interface EnvironmentChanged {
  readonly reason: 'environment-changed';
  readonly name: string;
  readonly was?: string;
  readonly is?: string;
}

interface Salt {
  readonly reason: 'salt';
  readonly was?: string;
  readonly is?: string;
}

/** Version of the code that runs the stage, or of the target that planned it. */
interface Implementation {
  readonly reason: 'implementation';
  readonly of: 'stage' | 'target';
  readonly was: number;
  readonly is: number;
}

/** Another kind of stage went by the same id. */
interface Kind {
  readonly reason: 'kind';
  readonly was: string;
  readonly is: string;
}

interface UpstreamReason<Code extends string> {
  readonly reason: Code;
  readonly stage: string;
  /** Digests of its output. */
  readonly was?: string;
  readonly is?: string;
}

/** The same outputs, stacked in another order. */
interface UpstreamOrder {
  readonly reason: 'upstream-order';
  /** Stage ids. */
  readonly was: readonly string[];
  readonly is: readonly string[];
}

/** Every code with its fields. The compiler holds it complete against the union, a test the documentation against it. */
export const reasonFields: {
  readonly [Code in ReasonCode]: {
    readonly [Field in Exclude<keyof Extract<Reason, {reason: Code}>, 'reason'>]-?: true;
  };
} = {
  'never-built': {},
  'no-record': {run: true},
  evicted: {at: true, why: true},
  'content-missing': {},
  corrupt: {at: true},
  'not-durable': {},
  untrusted: {},
  forced: {},
  'cache-off': {},
  'tool-missing': {tool: true},
  'upstream-runs': {stage: true},
  'key-schema': {},
  'package-added': {package: true, list: true, position: true},
  'package-removed': {package: true, list: true, position: true},
  'package-changed': {package: true, list: true, was: true, is: true, position: true},
  'option-added': {option: true, was: true, is: true, position: true},
  'option-removed': {option: true, was: true, is: true, position: true},
  'option-changed': {option: true, was: true, is: true, position: true},
  'file-added': {path: true, was: true, is: true},
  'file-removed': {path: true, was: true, is: true},
  'file-changed': {path: true, was: true, is: true},
  'tool-added': {tool: true, was: true, is: true},
  'tool-removed': {tool: true, was: true, is: true},
  'tool-changed': {tool: true, was: true, is: true},
  'environment-changed': {name: true, was: true, is: true},
  salt: {was: true, is: true},
  implementation: {of: true, was: true, is: true},
  kind: {was: true, is: true},
  'upstream-added': {stage: true, was: true, is: true},
  'upstream-removed': {stage: true, was: true, is: true},
  'upstream-changed': {stage: true, was: true, is: true},
  'upstream-order': {was: true, is: true},
};
