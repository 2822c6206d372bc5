import {hostname} from 'node:os';
import {openCatalog} from '../catalog/database.ts';
import {enterVerdict, type Verdict} from '../catalog/verdicts.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {currentUser} from '../host/current-user.ts';
import {printable} from '../ui/format.ts';
import {warnOnStderr} from './plan.ts';
import {openSession, peekSession, type SessionOptions} from './session.ts';

export interface VerdictOptions {
  readonly session: SessionOptions;
  readonly reason: string | undefined;
}

/** `fgimage approve` and `fgimage reject`: about the artifacts that the spec makes now, by their digests. */
export async function runVerdict(
  verdict: Verdict['verdict'],
  {session: options, reason: given}: VerdictOptions,
): Promise<ExitCode> {
  const reason = checkedText(given ?? '', '--reason');
  const who = whoSays(process.env);
  const artifacts = await madeArtifacts(options);
  const catalog = openCatalog();
  try {
    const at = Date.now();
    catalog
      .transaction(() => {
        for (const artifact of artifacts) enterVerdict(catalog, {...artifact, verdict, reason, who, at});
      })
      .immediate();
  } finally {
    catalog.close();
  }
  for (const {image, target, digest} of artifacts) {
    const what = `${printable(image)}/${printable(target)} ${digest.slice(0, 12)}`;
    process.stdout.write(`${who} ${verdict} ${what}: ${reason}\n`);
  }
  return exitCode.done;
}

type Artifact = Pick<Verdict, 'image' | 'target' | 'digest'>;

/** A verdict is about something that is there: each target must have been built as the spec has it now. */
async function madeArtifacts(options: SessionOptions): Promise<readonly Artifact[]> {
  const session = await openSession(options, {look: true, warn: warnOnStderr});
  try {
    const {signal} = new AbortController();
    const peeked = await peekSession({...session, wanted: () => false}, signal);
    return session.plan.deliveries.map(({image: {name: image}, target, pack}) => {
      const found = peeked.get(pack);
      if (found?.state === 'hit') return {image, target, digest: found.known.action.digest};
      throw new FgError('NOT_BUILT', `${image}/${target} was not built as the spec has it now`, {
        hint: `Run "fgimage build ${image} --target ${target}", and look at what it makes`,
      });
    });
  } finally {
    session.store.close();
  }
}

/** `user@host`, or what $FGIMAGE_USER says: a job of a CI system knows for whom it runs. */
function whoSays({FGIMAGE_USER: named = ''}: NodeJS.ProcessEnv): string {
  if (named !== '') return checkedText(named, '$FGIMAGE_USER');
  return `${currentUser().name}@${hostname()}`;
}

const longest = 500;

/** It is kept for good, and printed in lines. */
function checkedText(given: string, name: string): string {
  const text = given.trim();
  if (text === '') throw new FgError('USAGE', `${name} is missing`, {hint: `Say why: ${name} "…"`});
  if (text.length > longest || /\p{Cc}/u.test(text)) {
    throw new FgError('USAGE', `${name} is not one line of at most ${String(longest)} characters`, {
      hint: 'Put the long story where the team keeps such things, and its address here',
    });
  }
  return text;
}
