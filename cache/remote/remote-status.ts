import {formatCount, formatSize} from '../../src/ui/format.ts';

/** What a run had of its remote cache. */
export interface RemoteStatus {
  readonly mode: 'r' | 'w' | 'rw';
  /** Keys that were asked for. */
  readonly lookups: number;
  readonly hits: number;
  /** Records that were there and not believed. */
  readonly ignored: number;
  /** Objects and logs that came, and their bytes as they came. */
  readonly fetched: number;
  readonly fetchedBytes: number;
  /** Records that went up, and the bytes that went with them. */
  readonly uploaded: number;
  readonly uploadedBytes: number;
  /** Calls, fetches and uploads that failed. */
  readonly failed: number;
  /** Whether nothing goes up for want of a signing key. */
  readonly lacksSigningKey: boolean;
  /** Whether the remote was left alone after too many failures. */
  readonly isLeftAlone: boolean;
}

/** One line: `remote: read-only, 14 of 16 hit, 182 MiB fetched, 0 uploads (no signing key)`. */
export function remoteStatusLine(status: RemoteStatus): string {
  const {lookups, hits, ignored, fetchedBytes, uploaded, uploadedBytes, failed} = status;
  const mayWrite = status.mode !== 'r' && !status.lacksSigningKey;
  const how = status.mode === 'w' ? 'write-only' : mayWrite ? 'read-write' : 'read-only';
  const sent = uploaded > 0 ? ` (${formatSize(uploadedBytes)})` : '';
  const why = status.mode !== 'r' && status.lacksSigningKey ? ' (no signing key)' : sent;
  const parts = [
    how,
    ...(status.mode === 'w' ? [] : [`${hits} of ${lookups} hit`, `${formatSize(fetchedBytes)} fetched`]),
    `${formatCount(uploaded, 'upload')}${why}`,
    ...(ignored > 0 ? [`${formatCount(ignored, 'record')} ignored`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(status.isLeftAlone ? ['left alone after failures'] : []),
  ];
  return `remote: ${parts.join(', ')}`;
}
