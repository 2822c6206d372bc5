import {z} from 'zod';
import {type CheckName, checkNames} from '../vet/finding.ts';
import {entryName, form, line} from './fields.ts';
import {nearest} from './nearest.ts';
import type {Reporter} from './report.ts';
import {entriesAt, type Tree, treeAt} from './tree.ts';

export const levels = ['off', 'standard', 'strict'] as const;
export const testRules = ['optional', 'required'] as const;
export const approvalRules = ['none', 'required'] as const;

/** Of each list the last is the strictest. */
export type Level = (typeof levels)[number];
export type TestRule = (typeof testRules)[number];
export type ApprovalRule = (typeof approvalRules)[number];

/** Findings that a policy lets pass, and why. */
export interface Allowance {
  readonly check: CheckName;
  /** A pattern of paths in the image: `*` and `?` within a name, `**` across folders. */
  readonly path: string;
  readonly reason: string;
}

/** What a policy says; what it does not say is left to others. */
export interface PolicyRules {
  readonly level?: Level;
  readonly tests?: TestRule;
  readonly approval?: ApprovalRule;
  readonly allow: readonly Allowance[];
}

/** `policy` of an image, and the policy of a site. */
export interface PolicySettings extends PolicyRules {
  /** By name or type of a target; by name goes before by type. */
  readonly per_target: Readonly<Record<string, PolicyRules>>;
}

const pathPattern = form(
  /^(?!.*\/\/)\/(?!(.*\/)?\.{1,2}(\/|$))[^\p{Cc}]+$/u,
  'a pattern of paths in the image',
  'Begin with `/`; `*` and `?` stand for characters of a name, `**` for any folders: /etc/ssl/private/*.key',
);

const Allow = z
  .strictObject({
    check: z.enum(checkNames).describe('The check whose findings pass.'),
    path: pathPattern.describe('Where: a path, with `*`, `?` and `**`.'),
    reason: line.describe('Why; shown wherever the finding is.'),
  })
  .describe('Findings that are meant to be.');

const rules = {
  level: z
    .enum(levels)
    .describe('strict: no finding passes. standard: none of high severity. off: all do.')
    .exactOptional(),
  tests: z.enum(testRules).describe('Whether it must have passed its boot tests.').exactOptional(),
  approval: z.enum(approvalRules).describe('Whether somebody must have approved it.').exactOptional(),
  allow: z.array(Allow).describe('Findings that pass all the same.').exactOptional(),
};

export const policyShape = {
  ...rules,
  per_target: z
    .record(entryName, z.strictObject(rules))
    .describe('The same for one target, by its name or type.')
    .exactOptional(),
};

/** `policy` as it is written. */
export const Policy = z.strictObject(policyShape).describe('What must hold before an image is registered.');

type WrittenRules = Pick<z.infer<typeof Policy>, 'level' | 'tests' | 'approval' | 'allow'>;

/** What was written, with its lists filled in. */
export function normalisePolicy(written: z.infer<typeof Policy>): PolicySettings {
  return {
    ...normaliseRules(written),
    per_target: Object.fromEntries(
      Object.entries(written.per_target ?? {}).map(([name, one]) => [name, normaliseRules(one)]),
    ),
  };
}

function normaliseRules({level, tests, approval, allow = []}: WrittenRules): PolicyRules {
  return {
    ...(level === undefined ? {} : {level}),
    ...(tests === undefined ? {} : {tests}),
    ...(approval === undefined ? {} : {approval}),
    allow,
  };
}

/** Every name under `per_target` is that of a target of the spec, or a type: a slip would be a rule that never counts. */
export function checkPolicyTargets(
  bodies: readonly Tree[],
  {targets, types, report}: {targets: readonly string[]; types: readonly string[]; report: Reporter},
): void {
  const known = new Set([...targets, ...types]);
  const told = new Set<unknown>();
  for (const body of bodies) {
    const policy = treeAt(body, ['policy']);
    if (policy?.kind !== 'map') continue;
    for (const [name, {keySite}] of entriesAt(policy, 'per_target')) {
      if (known.has(name) || told.has(keySite)) continue;
      told.add(keySite);
      const near = nearest(name, [...known]);
      report.at(keySite, {
        message: `policy.per_target.${name} is neither a target of this spec nor a type of targets`,
        hint: near === undefined ? `Targets: ${[...new Set(targets)].join(', ')}` : `Write \`${near}\``,
      });
    }
  }
}
