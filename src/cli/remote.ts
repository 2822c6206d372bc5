import {readFileSync} from 'node:fs';
import {type CacheMode, defaultRemoteMode, parseCacheModes} from '../../cache/remote/mode.ts';
import {openBackend} from '../../cache/remote/open.ts';
import {RemoteCache} from '../../cache/remote/remote-cache.ts';
import {parseSigningKey, parseTrustedKey, type SigningKey} from '../../cache/remote/signature.ts';
import {FgError, isErrno} from '../errors.ts';
import {RemoteError} from '../http/error.ts';
import type {RunScope} from '../run/scope.ts';
import type {CacheSettings} from '../spec/cache-settings.ts';

export interface RemoteRequest {
  /** The remote cache that the command line or the environment names, before the spec's own. */
  readonly given: string | undefined;
  readonly settings: CacheSettings['remote'];
  /** `--cache`, e.g. `local:rw,remote:r`. */
  readonly mode: string | undefined;
  readonly scope: RunScope;
  readonly warn: (message: string, hint?: string) => void;
}

export interface Caches {
  /** Whether records of the local cache are read. */
  readonly readLocal: boolean;
  readonly remote: RemoteCache | undefined;
  /** Whether records that are signed with a key count, those too that a former run took into the local cache. */
  readonly trusts: (keyId: string) => boolean;
}

/**
 * Reads the switches, and opens the remote cache with whom it trusts: the spec's `cache.remote.trusted_keys`, those of
 * `$FGIMAGE_CACHE_TRUSTED_KEYS` (parted by commas) and the own signing key's (`$FGIMAGE_CACHE_SIGNING_KEY`: PEM, or the
 * path of a file with it). Makes no connection. Throws `FgError` for what a person has to mend.
 */
export function connectRemote({given, settings, mode, scope, warn}: RemoteRequest): Caches {
  const modes = readModes(mode);
  const readLocal = modes.local !== 'w';
  const remoteMode = modes.remote ?? defaultRemoteMode(process.env);
  const url = given ?? settings?.url ?? '';
  try {
    const words = (process.env['FGIMAGE_CACHE_TRUSTED_KEYS'] ?? '')
      .split(',')
      .filter((word) => word.trim() !== '');
    const trustedKeys = [...(settings?.trustedKeys ?? []), ...words].map(parseTrustedKey);
    const signingKey = readSigningKey();
    const trusted = new Set(
      [...trustedKeys, ...(signingKey === undefined ? [] : [signingKey])].map(({id}) => id),
    );
    const trusts = (keyId: string): boolean => trusted.has(keyId);
    if (url === '' || remoteMode === 'off') return {readLocal, remote: undefined, trusts};
    if (trusted.size === 0) {
      throw new FgError('USAGE', 'The remote cache has nobody whose records count', {
        hint: 'Name public keys under cache.remote.trusted_keys or in $FGIMAGE_CACHE_TRUSTED_KEYS; "fgimage cache keygen" makes a pair',
      });
    }
    const remote = new RemoteCache({
      // A spec must not be able to have the token sent wherever it likes.
      backend: openBackend(url, {env: given === undefined ? withoutToken(process.env) : process.env}),
      mode: remoteMode,
      trustedKeys,
      ...(signingKey === undefined ? {} : {signingKey}),
      get workFolder() {
        return scope.folder.path;
      },
      warn,
    });
    return {readLocal, remote, trusts};
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    throw new FgError('USAGE', error.message, {
      cause: error,
      ...(error.hint === undefined ? {} : {hint: error.hint}),
    });
  }
}

function withoutToken(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => name !== 'FGIMAGE_CACHE_TOKEN'));
}

function readModes(text: string | undefined): {local: CacheMode; remote: CacheMode | undefined} {
  const parsed = parseCacheModes(text ?? 'local:rw');
  if (!parsed.ok) throw new FgError('USAGE', parsed.error, {hint: 'Write e.g. --cache local:rw,remote:r'});
  const {local = 'rw', remote} = parsed.value;
  if (local === 'r' || local === 'off') {
    throw new FgError(
      'USAGE',
      'The local cache cannot do without writing: it is where stages hand on what they make',
      {
        hint: 'Use local:w to make everything anew, or --cache-dir with a folder that is removed afterwards',
      },
    );
  }
  return {local, remote};
}

function readSigningKey(): SigningKey | undefined {
  const value = process.env['FGIMAGE_CACHE_SIGNING_KEY'];
  if (value === undefined || value === '') return undefined;
  if (value.startsWith('-----BEGIN')) return parseSigningKey(value);
  try {
    return parseSigningKey(readFileSync(value, 'utf8'));
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR')) throw error;
    throw new FgError('USAGE', `Cannot read the signing key ${value}`, {
      cause: error,
      hint: '$FGIMAGE_CACHE_SIGNING_KEY is the path of a private key in PEM, or its text',
    });
  }
}
