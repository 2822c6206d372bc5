import {existsSync} from 'node:fs';
import type {Database} from 'better-sqlite3';
import {catalogFile, openCatalog} from '../catalog/database.ts';
import {newestVerdict} from '../catalog/verdicts.ts';
import {type ExitCode, exitCode} from '../errors.ts';
import type {Delivery} from '../plan/plan.ts';
import type {Peeked} from '../run/peek.ts';
import type {Allowance} from '../spec/policy.ts';
import {printable} from '../ui/format.ts';
import {type Evidence, type Judgement, judge} from '../vet/judge.ts';
import {findingsOf, rulesOf} from '../vet/judge-delivery.ts';
import type {Rules, SitePolicy} from '../vet/policy.ts';
import {readSitePolicy} from '../vet/site-policy.ts';
import {type BuildOptions, runStages} from './build.ts';
import {warnOnStderr} from './plan.ts';
import type {RunDone} from './run-stages.ts';
import {peekSession, type Session} from './session.ts';
import {vetJson, vetText} from './vet-text.ts';

export interface VetOptions {
  readonly build: BuildOptions;
  readonly json: boolean;
}

/** A target of an image, and what the policy says of it. */
export interface Vetted {
  readonly image: string;
  readonly target: string;
  readonly rules: Rules;
  readonly judgement: Judgement;
}

/**
 * `fgimage vet`: makes the trees where they are not there, looks at them, and tells what was found. Exits with 1 where the
 * policy does not let a finding pass; what else registering asks for, tests and an approval, is told and no failure.
 */
export async function runVet({build, json}: VetOptions): Promise<ExitCode> {
  const site = await readSitePolicy(process.env, {color: build.color});
  const vetted: Vetted[] = [];
  let whole: Session | undefined;
  const code = await runStages(
    {...build, mode: viewMode(build, json), vet: true, test: true},
    {
      prepare: (session) => {
        whole = session;
        return Promise.resolve();
      },
      stages: ({vet}) => (vet === undefined ? [] : [vet]),
      handOut: false,
      reads: ({kind}) => kind === 'vet',
      stream: process.stderr,
      after: async (done) => {
        if (whole !== undefined) vetted.push(...(await judgeAll({...done, session: whole}, site)));
        return exitCode.done;
      },
    },
  );
  // An ordinary user's command was started once more, and has told everything there.
  if (vetted.length === 0) return code;
  process.stdout.write(json ? vetJson(vetted) : vetText(vetted, {color: build.color}));
  warnAboutExceptions(vetted);
  const isRefused = vetted.some(({judgement}) => judgement.findings.some(({ruling}) => ruling === 'refused'));
  return code === exitCode.done && isRefused ? exitCode.differs : code;
}

/** The run is told on standard error, so that standard output holds what was found and nothing else. */
function viewMode({mode}: BuildOptions, json: boolean): BuildOptions['mode'] {
  if (json || mode === 'quiet') return 'quiet';
  return mode === 'tty' && !process.stderr.isTTY ? 'plain' : mode;
}

/** Of the trees that could be looked at; what failed was told with its stage. */
async function judgeAll(
  {session, states, signal}: RunDone,
  site: SitePolicy | undefined,
): Promise<readonly Vetted[]> {
  const peeked = await peekSession({...session, wanted: () => false}, signal);
  const catalog = existsSync(catalogFile()) ? openCatalog() : undefined;
  try {
    return session.plan.deliveries.flatMap((delivery): readonly Vetted[] => {
      const findings = findingsOf(delivery, states);
      if (findings === undefined) return [];
      const rules = rulesOf(delivery, site);
      const {tested, verdict} = knownOf(delivery, {peeked, catalog});
      const judgement = judge(rules, {findings, tested, verdict});
      return [{image: delivery.image.name, target: delivery.target, rules, judgement}];
    });
  } finally {
    catalog?.close();
  }
}

/** What earlier runs and people have told of an artifact. */
function knownOf(
  {pack, test, boots}: Delivery,
  {peeked, catalog}: {peeked: ReadonlyMap<string, Peeked>; catalog: Database | undefined},
): Pick<Evidence, 'tested' | 'verdict'> {
  const packed = peeked.get(pack);
  const digest = packed?.state === 'hit' ? packed.known.action.digest : undefined;
  const isTested = test !== undefined && peeked.get(test)?.state === 'hit';
  return {
    tested: boots ? (isTested ? 'passed' : 'not tested') : 'nothing to test',
    verdict: digest === undefined || catalog === undefined ? undefined : newestVerdict(catalog, digest),
  };
}

/** An exception that nothing was found for hides what may come; one that does not count helps nobody. */
function warnAboutExceptions(vetted: readonly Vetted[]): void {
  const keyOf = ({check, path, reason}: Allowance): string => `${check} ${path} (${reason})`;
  const unused = new Set(vetted.flatMap(({judgement}) => judgement.unused.map(keyOf)));
  for (const {rules, judgement} of vetted) {
    const idle = new Set(judgement.unused.map(keyOf));
    for (const key of rules.allow.map(keyOf)) if (!idle.has(key)) unused.delete(key);
  }
  for (const key of unused) {
    const hint = 'Remove it from `allow`, or correct it';
    warnOnStderr(`Nothing was found for this exception of the policy: ${printable(key)}`, hint);
  }
  for (const key of new Set(vetted.flatMap(({judgement}) => judgement.ignored.map(keyOf))))
    warnOnStderr(`The site's policy lets this exception of the spec not count: ${printable(key)}`);
}
