import {FgError} from '../errors.ts';
import {isComplete} from '../run/peek.ts';
import {peekSession, type Session} from './session.ts';

const peekTimeoutMs = 60_000;

/**
 * Says before anything runs that programs of an image's architecture do not run here. Where everything is known, none
 * has to.
 */
export async function requireEmulation(session: Session): Promise<void> {
  const foreign = session.plan.deliveries.find(({image}) => image.os.architecture !== 'amd64');
  if (foreign === undefined) return;
  if (isComplete(await peekSession(session, AbortSignal.timeout(peekTimeoutMs)))) return;
  const {checkEmulation} = await import('../host/emulation.ts');
  const {ok, found, mend} = await checkEmulation();
  if (ok) return;
  const {name, os} = foreign.image;
  throw new FgError(
    'HOST_EMULATION',
    `${name} is an image of ${os.architecture}, and programs of that do not run here: ${found.replace(/^no: /, '')}`,
    mend === undefined ? {} : {hint: mend},
  );
}
