import type {RemoteHit} from '../../cache/remote/remote-cache.ts';
import type {EngineOptions} from './engine-options.ts';

/** Brings a hit's content, and its log, from the remote cache into the local one; gives whether it is here now. */
export async function bringContent(
  hit: RemoteHit,
  {remote, store, scope, signal}: Pick<EngineOptions, 'remote' | 'store' | 'scope' | 'signal'>,
): Promise<boolean> {
  if (remote === undefined) return false;
  if (store.hasContent(hit.record.digest)) return true;
  const folder = scope.scratch(`fetch-${hit.record.key.slice(0, 32)}`);
  const fetched = await remote.fetchObject(hit, folder, signal);
  // What was wrong the remote cache has told.
  if (!fetched.ok) return false;
  store.adopt(folder, hit.record.digest, scope.folder);
  const {log} = hit.record;
  if (log !== undefined) await remote.fetchLog(hit, store.logPath(log), signal);
  return true;
}
