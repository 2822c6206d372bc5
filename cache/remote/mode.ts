import {fail, ok, type Result} from '../../src/result.ts';

/** What may be done with a cache: read and write, read, write, nothing. */
export type CacheMode = 'rw' | 'r' | 'w' | 'off';

/** The switches of `--cache`; what is not named keeps its default. */
export interface CacheModes {
  readonly local?: CacheMode;
  readonly remote?: CacheMode;
}

const modes: Readonly<Record<string, CacheMode>> = {
  rw: 'rw',
  wr: 'rw',
  r: 'r',
  w: 'w',
  off: 'off',
  '': 'off',
};

/** Reads `local:rw,remote:r`. Fails with what is wrong, in words. */
export function parseCacheModes(text: string): Result<CacheModes, string> {
  const found: {local?: CacheMode; remote?: CacheMode} = {};
  for (const part of text.split(',')) {
    const [side = '', word = '', ...rest] = part.trim().split(':');
    if (side !== 'local' && side !== 'remote') {
      return fail(`"${part.trim()}" names no cache; there are local and remote, as in local:rw,remote:r`);
    }
    const mode = Object.hasOwn(modes, word) ? modes[word] : undefined;
    if (mode === undefined || rest.length > 0 || !part.includes(':')) {
      return fail(`"${part.trim()}" is no mode of the ${side} cache; it can be rw, r, w or off`);
    }
    if (found[side] !== undefined) return fail(`The ${side} cache is named twice`);
    found[side] = mode;
  }
  return ok(found);
}

/** Variables that a CI system sets for the build of a change that is not merged yet. */
const pullRequestVariables: readonly (readonly [name: string, meansOne: (value: string) => boolean])[] = [
  ['GITHUB_EVENT_NAME', (value) => value.startsWith('pull_request')],
  ['CI_MERGE_REQUEST_IID', isGiven],
  ['BITBUCKET_PR_ID', isGiven],
  ['CHANGE_ID', isGiven],
  ['BUILDKITE_PULL_REQUEST', (value) => isGiven(value) && value !== 'false'],
  ['SYSTEM_PULLREQUEST_PULLREQUESTID', isGiven],
];

/** The remote's mode where nobody names one: read-only for code that nobody has reviewed yet. */
export function defaultRemoteMode(env: Readonly<Record<string, string | undefined>>): 'r' | 'rw' {
  return pullRequestVariables.some(([name, meansOne]) => meansOne(env[name] ?? '')) ? 'r' : 'rw';
}

function isGiven(value: string): boolean {
  return value !== '';
}
