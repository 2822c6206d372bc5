import {
  type Allowance,
  type ApprovalRule,
  approvalRules,
  type Level,
  levels,
  type PolicyRules,
  type PolicySettings,
  type TestRule,
  testRules,
} from '../spec/policy.ts';

/** What must hold before an artifact is registered: everything decided. */
export interface Rules {
  readonly level: Level;
  readonly tests: TestRule;
  readonly approval: ApprovalRule;
  readonly allow: readonly RuledAllowance[];
  /** Exceptions of the spec that the site's policy does not let count. */
  readonly ignored: readonly Allowance[];
}

export interface RuledAllowance extends Allowance {
  readonly from: 'spec' | 'site';
}

/**
 * The policy of a site. A spec may be stricter than it. `override` says what else it may: nothing, have exceptions of its
 * own (`allow`), or say otherwise in everything.
 */
export interface SitePolicy extends PolicySettings {
  readonly override: Override;
}

export const overrides = ['none', 'exceptions', 'all'] as const;
export type Override = (typeof overrides)[number];

type Decided = Omit<Rules, 'allow' | 'ignored'>;

/** Nodes of a cluster have no other guard: one image with a hole in it is a thousand machines with one. */
const hpc: Decided = {level: 'strict', tests: 'required', approval: 'none'};
/** What lets somebody in, or gives a secret away, never gets there; nor what does not boot. */
const cloud: Decided = {level: 'standard', tests: 'required', approval: 'none'};
/** Files are handed on, and whoever boots them in the end tests them. */
const file: Decided = {level: 'standard', tests: 'optional', approval: 'none'};

const defaults: Readonly<Record<string, Decided>> = {
  hpc,
  ...Object.fromEntries(['ova', 'libvirt', 'vagrant', 'oci', 'tarball'].map((type) => [type, file])),
};

/** What holds for a type of targets where nobody says anything. */
export function defaultRules(type: string): Decided {
  return defaults[type] ?? cloud;
}

/** What holds for a target of an image. */
export function rulesFor(
  {name, type}: {readonly name: string; readonly type: string},
  {spec, site}: {readonly spec?: PolicySettings | undefined; readonly site?: SitePolicy | undefined},
): Rules {
  const own = chosen(spec, {name, type});
  const theirs = chosen(site, {name, type});
  const said = {...defaultRules(type), ...own.rules};
  const mayRelax = site === undefined || site.override === 'all';
  const decided = mayRelax
    ? {...defaultRules(type), ...theirs.rules, ...own.rules}
    : {
        level: stricter(levels, said.level, theirs.rules.level),
        tests: stricter(testRules, said.tests, theirs.rules.tests),
        approval: stricter(approvalRules, said.approval, theirs.rules.approval),
      };
  const counts = site === undefined || site.override !== 'none';
  return {
    ...decided,
    allow: [
      ...theirs.allow.map((one) => ({...one, from: 'site' as const})),
      ...(counts ? own.allow.map((one) => ({...one, from: 'spec' as const})) : []),
    ],
    ignored: counts ? [] : own.allow,
  };
}

interface Chosen {
  readonly rules: Partial<Decided>;
  readonly allow: readonly Allowance[];
}

/** In general, by type, by name: the later goes before; exceptions add up. */
function chosen(
  settings: PolicySettings | undefined,
  {name, type}: {readonly name: string; readonly type: string},
): Chosen {
  const perTarget = settings?.per_target ?? {};
  const places = [settings, perTarget[type], name === type ? undefined : perTarget[name]];
  const parts = places.filter((one): one is PolicyRules => one !== undefined);
  const rules: {level?: Level; tests?: TestRule; approval?: ApprovalRule} = {};
  for (const {level, tests, approval} of parts) {
    if (level !== undefined) rules.level = level;
    if (tests !== undefined) rules.tests = tests;
    if (approval !== undefined) rules.approval = approval;
  }
  return {rules, allow: parts.flatMap(({allow}) => allow)};
}

function stricter<Word extends string>(order: readonly Word[], one: Word, other: Word | undefined): Word {
  return other !== undefined && order.indexOf(other) > order.indexOf(one) ? other : one;
}
