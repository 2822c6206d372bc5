import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Database} from 'better-sqlite3';
import {newestVerdict} from '../catalog/verdicts.ts';
import type {Delivery} from '../plan/plan.ts';
import type {StageState} from '../run/engine-options.ts';
import {type Finding, type Findings, findingsFile} from './finding.ts';
import {type Evidence, type Judgement, judge} from './judge.ts';
import {type Rules, rulesFor, type SitePolicy} from './policy.ts';

export interface JudgedBy {
  /** What became of the stages of a run that had the artifact's `vet` stage in it, and whose content is here. */
  readonly states: ReadonlyMap<string, StageState>;
  /** `readSitePolicy` */
  readonly site: SitePolicy | undefined;
  /** `openCatalog`; absent: nobody has said anything yet. */
  readonly catalog: Database | undefined;
}

/** Whether an artifact that a run has brought up to date may be registered. */
export function judgeDelivery(delivery: Delivery, {states, site, catalog}: JudgedBy): Judgement {
  const digest = outputOf(delivery.pack, states)?.digest;
  return judge(rulesOf(delivery, site), {
    findings: findingsOf(delivery, states),
    tested: testedOf(delivery, states),
    verdict: digest === undefined || catalog === undefined ? undefined : newestVerdict(catalog, digest),
  });
}

/** What holds for a target of an image. */
export function rulesOf({image, target}: Delivery, site: SitePolicy | undefined): Rules {
  const type = image.targets.find(({name}) => name === target)?.type ?? target;
  return rulesFor({name: target, type}, {spec: image.policy, site});
}

/** Undefined where the stage did not come to an end. */
export function findingsOf(
  {vet}: Delivery,
  states: ReadonlyMap<string, StageState>,
): readonly Finding[] | undefined {
  const output = outputOf(vet, states);
  if (output === undefined) return undefined;
  const {findings} = JSON.parse(readFileSync(join(output.path, findingsFile), 'utf8')) as Findings;
  return findings;
}

function testedOf({boots, test}: Delivery, states: ReadonlyMap<string, StageState>): Evidence['tested'] {
  if (!boots) return 'nothing to test';
  const state = test === undefined ? undefined : states.get(test)?.state;
  return state === 'failed' ? 'failed' : state === 'run' || state === 'cached' ? 'passed' : 'not tested';
}

function outputOf(
  stage: string | undefined,
  states: ReadonlyMap<string, StageState>,
): {readonly digest: string; readonly path: string} | undefined {
  const state = stage === undefined ? undefined : states.get(stage);
  return state?.state === 'run' || state?.state === 'cached' ? state.output : undefined;
}
