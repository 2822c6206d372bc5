import {describe, expect, it} from 'vitest';
import type {PolicySettings} from '../../../src/spec/policy.ts';
import type {Finding, Severity} from '../../../src/vet/finding.ts';
import {type Evidence, judge, pathPattern} from '../../../src/vet/judge.ts';
import {defaultRules, type Rules, rulesFor, type SitePolicy} from '../../../src/vet/policy.ts';

const openstack = {name: 'openstack', type: 'openstack'};
const hpc = {name: 'nodes', type: 'hpc'};
const key = {check: 'private-keys', path: '/etc/ssl/private/*.key', reason: 'made for tests'} as const;
const logs = {check: 'histories-and-logs', path: '/var/log/**', reason: 'wanted'} as const;

function settings(parts: Partial<PolicySettings>): PolicySettings {
  return {allow: [], per_target: {}, ...parts};
}

function site(parts: Partial<SitePolicy>): SitePolicy {
  return {...settings({}), override: 'none', ...parts};
}

describe('rulesFor()', () => {
  it.each([
    ['hpc', 'strict', 'required'],
    ['openstack', 'standard', 'required'],
    ['ec2', 'standard', 'required'],
    ['./targets/mine', 'standard', 'required'],
    ['oci', 'standard', 'optional'],
    ['tarball', 'standard', 'optional'],
  ])('has rules for %s where nobody says anything', (type, level, tests) => {
    expect(rulesFor({name: 'x', type}, {})).toEqual({level, tests, approval: 'none', allow: [], ignored: []});
  });

  it('takes what the spec says, by name before by type before in general', () => {
    const spec = settings({
      level: 'off',
      approval: 'required',
      allow: [key],
      per_target: {
        hpc: {level: 'standard', tests: 'optional', allow: []},
        nodes: {level: 'strict', allow: [logs]},
      },
    });

    expect(rulesFor(openstack, {spec})).toMatchObject({
      level: 'off',
      tests: 'required',
      approval: 'required',
    });
    expect(rulesFor(hpc, {spec})).toMatchObject({
      level: 'strict',
      tests: 'optional',
      allow: [
        {...key, from: 'spec'},
        {...logs, from: 'spec'},
      ],
    });
  });

  it("lets a site's policy only be made stricter", () => {
    const theirs = site({level: 'standard', approval: 'required', allow: [logs]});
    const lax = settings({level: 'off', tests: 'optional', approval: 'none', allow: [key]});

    expect(rulesFor(openstack, {spec: lax, site: theirs})).toEqual({
      level: 'standard',
      // The site says nothing of tests.
      tests: 'optional',
      approval: 'required',
      allow: [{...logs, from: 'site'}],
      ignored: [key],
    });
    expect(rulesFor(openstack, {spec: settings({level: 'strict'}), site: theirs}).level).toBe('strict');
    expect(rulesFor(hpc, {site: site({level: 'off'})}).level).toBe('strict');
  });

  it('lets exceptions of the spec count where the site says so, and everything', () => {
    const spec = settings({level: 'off', allow: [key]});

    expect(rulesFor(openstack, {spec, site: site({level: 'strict', override: 'exceptions'})})).toMatchObject({
      level: 'strict',
      allow: [{...key, from: 'spec'}],
      ignored: [],
    });
    const all = site({level: 'strict', tests: 'optional', override: 'all'});
    expect(rulesFor(openstack, {spec, site: all})).toMatchObject({level: 'off', tests: 'optional'});
    expect(rulesFor(hpc, {site: site({level: 'off', override: 'all'})}).level).toBe('off');
  });

  it('takes what the site says of one target', () => {
    const theirs = site({per_target: {hpc: {approval: 'required', allow: []}}});

    expect(rulesFor(hpc, {site: theirs}).approval).toBe('required');
    expect(rulesFor(openstack, {site: theirs}).approval).toBe('none');
  });
});

describe('judge()', () => {
  const rules = (parts: Partial<Rules> = {}): Rules => ({
    ...defaultRules('openstack'),
    allow: [],
    ignored: [],
    ...parts,
  });
  const finding = (severity: Severity, path: string, check: Finding['check'] = 'private-keys'): Finding => ({
    ...{check, severity, path},
    detail: 'something',
  });
  const good: Evidence = {findings: [], tested: 'passed'};

  it('lets an artifact with nothing against it pass', () => {
    expect(judge(rules(), good)).toEqual({refused: [], beside: [], findings: [], unused: [], ignored: []});
    expect(judge(rules(), {...good, tested: 'nothing to test'}).refused).toEqual([]);
  });

  it('refuses for findings as the level says', () => {
    const findings = [finding('low', '/c'), finding('medium', '/b'), finding('high', '/a')];
    const rulings = (level: Rules['level']) =>
      judge(rules({level}), {...good, findings}).findings.map(({ruling}) => ruling);

    expect(rulings('strict')).toEqual(['refused', 'refused', 'refused']);
    expect(rulings('standard')).toEqual(['tolerated', 'tolerated', 'refused']);
    expect(rulings('off')).toEqual(['tolerated', 'tolerated', 'tolerated']);
    expect(judge(rules(), {...good, findings}).refused).toEqual([
      'There is a finding that the policy does not let pass (1 high): private-keys /a',
    ]);
    expect(
      judge(rules({level: 'strict'}), {...good, findings: [...findings, finding('low', '/d')]}).refused,
    ).toEqual([
      'There are 4 findings that the policy does not let pass (1 high, 1 medium, 2 low): private-keys /a, private-keys /b, private-keys /c and 1 more',
    ]);
    expect(judge(rules({level: 'off'}), {...good, findings}).refused).toEqual([]);
  });

  it('lets findings pass that are allowed, with the reason, and tells exceptions without use', () => {
    const judgement = judge(
      rules({
        allow: [
          {...key, from: 'spec'},
          {...logs, from: 'site'},
        ],
      }),
      {
        ...good,
        findings: [finding('high', '/etc/ssl/private/a.key'), finding('high', '/etc/ssl/private/sub/a.key')],
      },
    );

    expect(judgement.findings.map(({ruling, reason}) => [ruling, reason])).toEqual([
      ['allowed', 'made for tests'],
      ['refused', undefined],
    ]);
    expect(judgement.unused).toEqual([{...logs, from: 'site'}]);
  });

  it('asks for tests', () => {
    const refused = (parts: Partial<Rules>, tested: Evidence['tested']) =>
      judge(rules(parts), {...good, tested}).refused;

    expect(refused({}, 'not tested')).toEqual([
      'It has not passed its boot tests, which the policy asks for',
    ]);
    expect(refused({tests: 'optional'}, 'not tested')).toEqual([]);
    expect(refused({tests: 'optional'}, 'failed')).toEqual(['It failed its boot tests']);
  });

  it('asks for an approval, and hears a rejection in any case', () => {
    const verdict = {
      ...{digest: 'd', image: 'web', target: 'openstack', reason: 'no good', who: 'ada@host'},
      at: Date.UTC(2026, 10, 22),
    };
    const approval = 'required';

    expect(judge(rules({approval}), good).refused).toEqual([
      'Nobody has approved it, which the policy asks for',
    ]);
    expect(judge(rules({approval}), {...good, verdict: {...verdict, verdict: 'approved'}}).refused).toEqual(
      [],
    );
    expect(judge(rules({level: 'off'}), {...good, verdict: {...verdict, verdict: 'rejected'}})).toMatchObject(
      {
        refused: ['ada@host rejected it on 2026-11-22: no good'],
        beside: ['ada@host rejected it on 2026-11-22: no good'],
      },
    );
  });

  it('refuses what nobody could look at', () => {
    expect(judge(rules(), {...good, findings: undefined}).refused).toEqual([
      'Nobody could look at what is in it',
    ]);
    expect(judge(rules({level: 'off'}), {...good, findings: undefined}).refused).toEqual([]);
  });
});

describe('pathPattern()', () => {
  it.each([
    ['/etc/*.key', '/etc/a.key', true],
    ['/etc/*.key', '/etc/sub/a.key', false],
    ['/etc/**', '/etc/sub/a.key', true],
    ['/srv/**/x', '/srv/x', true],
    ['/srv/**/x', '/srv/a/b/x', true],
    ['/srv/**/x', '/srv/a/bx', false],
    ['/srv/?', '/srv/a', true],
    ['/srv/?', '/srv/ab', false],
    ['/srv/a.b[c]', '/srv/a.b[c]', true],
    ['/srv/a.b', '/srv/aXb', false],
    ['/srv/a', '/srv/a/b', false],
  ])('%s for %s: %s', (pattern, path, is) => {
    expect(pathPattern(pattern).test(path)).toBe(is);
  });
});
