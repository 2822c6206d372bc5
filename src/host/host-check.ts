/** One thing that a host has or lacks. */
export interface HostCheck {
  readonly name: string;
  readonly ok: boolean;
  /** Without what is `needed` a build fails; what is `optional` makes it faster or allows more. */
  readonly severity: 'needed' | 'optional';
  /** Where or what it is; where it is lacking, what there is instead. */
  readonly found: string;
  /** What mends it: a command as a rule. Absent when there is nothing to mend or nothing that mends it. */
  readonly mend?: string;
  /** The Debian package that mends it. */
  readonly package?: string;
}
