import {brief, type Check, fact, failed, passed} from './check.ts';
import type {Identity} from './platforms/platform.ts';
import {type Facts, textWord} from './serial-protocol.ts';

/** Whether what the infrastructure gave this instance has arrived in the guest. */

/** Kind of the check whose facts say whom the host logs in as. */
export const keyCheckKind = 'instance_key';

/** `user`: the account that the image has for people, and not root; `any`: the image's own choice. */
export type KeyOwner = 'root' | 'user' | 'any';

export function keyCheck({publicKey}: Identity, owner: KeyOwner): Check {
  return {
    name: "the instance's key is in authorized_keys",
    request: {kind: keyCheckKind, words: [textWord(publicKey.split(' ', 2).join(' '))]},
    judge(facts) {
      const user = loginUser(facts, owner);
      if (user !== undefined) return {passed: true, detail: `of ${user}`};
      const holders = keyHolders(facts);
      if (holders.length === 0) return failed('no user has it');
      return failed(
        `${brief(holders.join(', '))} has it, and ${owner === 'root' ? 'not root' : 'no ordinary user'}`,
      );
    },
  };
}

/** Who may log in with the key. */
export function loginUser(facts: Facts, owner: KeyOwner): string | undefined {
  return keyHolders(facts).find((name) => owner === 'any' || (name === 'root') === (owner === 'root'));
}

/** A name of another kind is none that is passed on to ssh(1). */
function keyHolders(facts: Facts): readonly string[] {
  return fact(facts, 'users')
    .split('\n')
    .filter((name) => /^[a-z_][a-z0-9_-]*\$?$/.test(name));
}

export function hostNameCheck({hostName}: Identity): Check {
  return {
    name: 'host name is the one given',
    request: {kind: 'host_name', words: []},
    judge(facts) {
      const found = fact(facts, 'name').trim();
      return found.split('.', 1)[0] === hostName
        ? passed
        : failed(`it is "${brief(found)}", not "${hostName}"`);
    },
  };
}

export function userDataCheck({id}: Identity): Check {
  return {
    name: 'user data were run',
    request: {kind: 'user_data', words: []},
    judge(facts) {
      const found = fact(facts, 'mark').trim();
      if (found === id) return passed;
      return failed(found === '' ? 'they left nothing behind' : 'they are those of another instance');
    },
  };
}

/** Of a cloud that tells an instance its name and gives it user data. */
export function cloudChecks(identity: Identity): readonly Check[] {
  return [hostNameCheck(identity), userDataCheck(identity)];
}
