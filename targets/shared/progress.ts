import type {CreateProgress} from '../registrar.ts';

/** Tells how far something is at each further hundredth, and not at each piece that was read. */
export function byHundredths(progress: CreateProgress): CreateProgress['report'] {
  let last = '';
  return (message, fraction = 0) => {
    const now = `${message} ${Math.floor(fraction * 100)}`;
    if (now === last) return;
    last = now;
    progress.report(message, fraction);
  };
}
