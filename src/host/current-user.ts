import {userInfo} from 'node:os';
import type {HostUser} from './subordinate-ids.ts';

/** The user that this process runs as; of one without an entry in passwd(5), as containers have them, the number. */
export function currentUser(): HostUser {
  try {
    const {uid, username} = userInfo();
    return {uid, name: username};
  } catch {
    const uid = process.getuid?.() ?? -1;
    return {uid, name: String(uid)};
  }
}
