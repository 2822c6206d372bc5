import type {Expected} from '../../plan/vet-node.ts';
import {type PasswordField, passwordFields} from '../accounts.ts';
import type {Check} from '../check.ts';
import type {Remark} from '../finding.ts';
import {bytesOf, shown} from '../tree.ts';

/** shadow(5): `*`, `!` and the like let nobody in; `x` in passwd(5) means that shadow(5) tells. */
const noPassword = /^(?:x|[!*]*)$/;

/** Hashes can be guessed at leisure by whoever has the image: only what the spec itself says may be there. */
export const passwordHashes: Check = {
  name: 'password-hashes',
  tree: ({tree, expected}) => [
    ...passwordFields(tree).flatMap((field) => strangeHash(field, expected)),
    ...(tree.lines('/etc/security/opasswd').length === 0
      ? []
      : [
          {
            severity: 'high',
            path: '/etc/security/opasswd',
            detail: 'hashes of former passwords (pam_pwhistory(8))',
          } as const,
        ]),
  ],
};

function strangeHash({path, kind, name, value}: PasswordField, {users}: Expected): readonly Remark[] {
  if (value === '' || noPassword.test(value)) return [];
  const isLocked = value.startsWith('!');
  const wanted = kind === 'user' ? users.find((user) => bytesOf(user.name) === name)?.password : undefined;
  const isSame = wanted !== undefined && value.replace(/^!+/, '') === wanted.replace(/^!+/, '');
  if (isSame && (isLocked || !wanted.startsWith('!'))) return [];
  const whose = `the ${kind} ${shown(name)}`;
  const detail = isSame
    ? `the password of ${whose} is not locked, and the spec says that it is`
    : `a password hash of ${whose} that the spec does not name${isLocked ? ', locked' : ''}`;
  return [{severity: isLocked ? 'medium' : 'high', path, detail}];
}

/** An empty field is no locked password but none at all: passwd(5), shadow(5). */
export const emptyPasswords: Check = {
  name: 'empty-passwords',
  tree: ({tree}) =>
    passwordFields(tree)
      .filter(({path, kind, value}) => kind === 'user' && value === '' && path.startsWith('/etc/'))
      .map(({path, name}) => ({
        severity: 'high',
        path,
        detail: `the user ${shown(name)} gets in without a password`,
      })),
};
