import {homedir} from 'node:os';
import {join, resolve} from 'node:path';

/** The folder of the cache: the flag, `$FGIMAGE_CACHE`, `$XDG_CACHE_HOME/fgimage`, `~/.cache/fgimage`. */
export function cacheFolder(flag?: string, env: Readonly<NodeJS.ProcessEnv> = process.env): string {
  const chosen = flag ?? env['FGIMAGE_CACHE'];
  if (chosen !== undefined && chosen !== '') return resolve(chosen);
  const xdg = env['XDG_CACHE_HOME'];
  /* The XDG specification says that a relative path is to be ignored. */
  const base = xdg?.startsWith('/') === true ? xdg : join(env['HOME'] ?? homedir(), '.cache');
  return join(base, 'fgimage');
}
