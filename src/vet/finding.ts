/** Every check there is, in the order in which their findings are told; docs/reference/policy.md tells what each looks for. */
export const checkNames = [
  'ssh-host-keys',
  'authorized-keys',
  'machine-id',
  'password-hashes',
  'empty-passwords',
  'private-keys',
  'cloud-credentials',
  'histories-and-logs',
  'world-writable',
  'setuid',
  'package-sources',
] as const;

export type CheckName = (typeof checkNames)[number];

export const severities = ['high', 'medium', 'low'] as const;

/**
 * `high`: somebody gets in, or gets hold of a secret. `medium`: it helps to, or does harm among many instances. `low`: it
 * tells more than it should.
 */
export type Severity = (typeof severities)[number];

/** Something in a tree that should not be there. Holds no secret: what is told of one is where it is. */
export interface Finding {
  readonly check: CheckName;
  readonly severity: Severity;
  /** Absolute path in the image. */
  readonly path: string;
  readonly detail: string;
}

/** What a check has to say. */
export type Remark = Omit<Finding, 'check'>;

/** `findings.json`, what the `vet` stage makes. */
export interface Findings {
  readonly version: typeof findingsVersion;
  /** How much was looked at. */
  readonly looked: {readonly entries: number; readonly read_files: number; readonly read_bytes: number};
  /** In the order of `checkNames`, then by path. */
  readonly findings: readonly Finding[];
}

/** Raised when the meaning of a field changes; checks and fields may be added without. */
export const findingsVersion = 1;

export const findingsFile = 'findings.json';
