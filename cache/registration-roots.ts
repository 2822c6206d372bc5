import {existsSync} from 'node:fs';
import type {Store} from './store.ts';

/** What an infrastructure calls an artifact, and where: the name of a root. */
export interface RegisteredAt {
  readonly endpoint: string;
  readonly id: string;
}

/** Has gc keep the content of an artifact as long as it is registered there; what is not here is not kept. */
export function keepRegistered(store: Store, digest: string, at: RegisteredAt): void {
  if (!existsSync(store.objectPath(digest))) return;
  store.database
    .prepare(`INSERT OR IGNORE INTO roots (digest, kind, name, since) VALUES (?, 'registration', ?, ?)`)
    .run(digest, rootName(at), Date.now());
}

/** Its registration is gone: it is kept no more because of it. */
export function forgetRegistered(store: Store, at: RegisteredAt): void {
  store.database.prepare(`DELETE FROM roots WHERE kind = 'registration' AND name = ?`).run(rootName(at));
}

function rootName({endpoint, id}: RegisteredAt): string {
  return `${endpoint} ${id}`;
}
