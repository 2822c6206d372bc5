import type {Verdict} from '../catalog/verdicts.ts';
import type {Allowance} from '../spec/policy.ts';
import {type Finding, type Severity, severities} from './finding.ts';
import type {RuledAllowance, Rules} from './policy.ts';

/** What is known of an artifact that is to be registered. */
export interface Evidence {
  /** Absent: nobody could look. */
  readonly findings: readonly Finding[] | undefined;
  /** `nothing to test`: nothing boots such an artifact. */
  readonly tested: 'passed' | 'failed' | 'not tested' | 'nothing to test';
  /** The newest on the artifact's digest. */
  readonly verdict?: Verdict | undefined;
}

/** What a policy says of a finding: `tolerated` where its severity is too low to matter. */
export interface JudgedFinding extends Finding {
  readonly ruling: 'refused' | 'allowed' | 'tolerated';
  /** Why it is allowed. */
  readonly reason?: string;
}

export interface Judgement {
  /** Why the artifact may not be registered, one sentence each; none: it may. */
  readonly refused: readonly string[];
  /** Those of them that are about something else than findings. */
  readonly beside: readonly string[];
  readonly findings: readonly JudgedFinding[];
  /** Exceptions that nothing was found for. */
  readonly unused: readonly Allowance[];
  /** Exceptions of the spec that do not count. */
  readonly ignored: readonly Allowance[];
}

/** Holds what is known of an artifact against a policy. */
export function judge(rules: Rules, {findings, tested, verdict}: Evidence): Judgement {
  const judged = (findings ?? []).map((finding) => judgeFinding(finding, rules));
  const {allow, ignored} = rules;
  const beside = [...testReasons(rules, tested), ...verdictReasons(rules, verdict)];
  const unseen = findings === undefined && rules.level !== 'off';
  return {
    refused: [
      ...(unseen ? ['Nobody could look at what is in it'] : []),
      ...findingReasons(judged),
      ...beside,
    ],
    beside,
    findings: judged,
    unused: allow.filter((one) => !(findings ?? []).some((finding) => matches(one, finding))),
    ignored,
  };
}

function judgeFinding(finding: Finding, {level, allow}: Rules): JudgedFinding {
  const allowance = allow.find((one) => matches(one, finding));
  if (allowance !== undefined) return {...finding, ruling: 'allowed', reason: allowance.reason};
  const matters = level === 'strict' || (level === 'standard' && finding.severity === 'high');
  return {...finding, ruling: matters ? 'refused' : 'tolerated'};
}

function matches({check, path}: Allowance | RuledAllowance, finding: Finding): boolean {
  return check === finding.check && pathPattern(path).test(finding.path);
}

const patterns = new Map<string, RegExp>();

/** `*` and `?` within a name, `**` across folders; `/srv/**` is all below, and what is left of it is a path as it stands. */
export function pathPattern(pattern: string): RegExp {
  let found = patterns.get(pattern);
  if (found === undefined) {
    const source = pattern.replaceAll(/\*\*\/|\*\*|\*|\?|[^*?]+/g, (part) => {
      if (part === '**/') return '(?:.*/)?';
      if (part === '**') return '.*';
      if (part === '*') return '[^/]*';
      if (part === '?') return '[^/]';
      return part.replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&');
    });
    found = new RegExp(`^${source}$`, 's');
    patterns.set(pattern, found);
  }
  return found;
}

/** So many findings are told by their paths. */
const mostPaths = 3;

function findingReasons(findings: readonly JudgedFinding[]): readonly string[] {
  const refused = findings
    .filter(({ruling}) => ruling === 'refused')
    .sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
  if (refused.length === 0) return [];
  const counts = severities
    .map((severity) => [refused.filter((one) => one.severity === severity).length, severity] as const)
    .filter(([count]) => count > 0)
    .map(([count, severity]: readonly [number, Severity]) => `${String(count)} ${severity}`);
  const named = refused.slice(0, mostPaths).map(({check, path}) => `${check} ${path}`);
  const more = refused.length - named.length;
  const what = refused.length === 1 ? 'a finding' : `${String(refused.length)} findings`;
  const rest = more === 0 ? '' : ` and ${String(more)} more`;
  return [
    `There ${refused.length === 1 ? 'is' : 'are'} ${what} that the policy does not let pass (${counts.join(', ')}): ${named.join(', ')}${rest}`,
  ];
}

function testReasons({tests}: Rules, tested: Evidence['tested']): readonly string[] {
  if (tested === 'failed') return ['It failed its boot tests'];
  if (tested === 'not tested' && tests === 'required')
    return ['It has not passed its boot tests, which the policy asks for'];
  return [];
}

function verdictReasons({approval}: Rules, verdict: Verdict | undefined): readonly string[] {
  if (verdict?.verdict === 'rejected') {
    const {who, at, reason} = verdict;
    return [`${who} rejected it on ${new Date(at).toISOString().slice(0, 10)}: ${reason}`];
  }
  if (verdict === undefined && approval === 'required')
    return ['Nobody has approved it, which the policy asks for'];
  return [];
}
