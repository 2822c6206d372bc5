import {createHash} from 'node:crypto';
import {type Check, type Look, nothing} from '../check.ts';
import type {Remark} from '../finding.ts';
import {sshdOption} from '../sshd.ts';
import {bytesOf, shown} from '../tree.ts';

const usualFiles = /^(.*)\/\.ssh\/authorized_keys2?$/;

/** Whoever has a key there gets in: the spec names all of them, by user (sshd(8), AUTHORIZED_KEYS FILE FORMAT). */
export const authorizedKeys: Check = {
  name: 'authorized-keys',
  entry: ({path, type}, look) => {
    const home = type === 'file' ? usualFiles.exec(path)?.[1] : undefined;
    if (home === undefined) return nothing;
    const names = look.users.filter((user) => look.tree.resolve(user.home) === home).map(({name}) => name);
    return strangeKeys(path, {look, names});
  },
  tree: (look) => {
    const patterns = sshdOption(look.tree, 'AuthorizedKeysFile').flat();
    return look.users.flatMap(({name, home}) =>
      patterns.flatMap((pattern) => {
        const named = pattern.replaceAll(/%([%hu])/g, (_, token: string) =>
          token === 'h' ? home : token === 'u' ? name : '%',
        );
        const path = look.tree.resolve(named.startsWith('/') ? named : `${home}/${named}`);
        return path === undefined || usualFiles.test(path)
          ? nothing
          : strangeKeys(path, {look, names: [name]});
      }),
    );
  },
};

function strangeKeys(
  path: string,
  {look, names}: {readonly look: Look; readonly names: readonly string[]},
): readonly Remark[] {
  const named = new Set(
    look.expected.users
      .filter(({name}) => names.includes(bytesOf(name)))
      .flatMap(({keys}) => keys.map((key) => whatCounts(bytesOf(key)))),
  );
  return look.tree
    .lines(path)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#') && !named.has(whatCounts(line)))
    .map((line) => ({
      severity: 'high',
      path: shown(path),
      detail: `a key that the spec does not name${names.length === 0 ? '' : ` for ${names.map(shown).join(', ')}`}: ${fingerprint(line)}`,
    }));
}

const keyLine =
  /^(?<options>.*?)(?<type>(?:ssh|ecdsa|sk)-[a-z0-9@.-]+)\s+(?<blob>[A-Za-z0-9+/]+=*)(?:\s+(?<comment>.*))?$/;

/** Options, type and key: not the comment. */
function whatCounts(line: string): string {
  const {options = '', type = '', blob} = keyLine.exec(line.trim())?.groups ?? {};
  return blob === undefined ? line : `${options.trim()} ${type} ${blob}`;
}

/** As ssh-keygen -l shows a key. */
function fingerprint(line: string): string {
  const {type, blob, comment = ''} = keyLine.exec(line)?.groups ?? {};
  if (type === undefined || blob === undefined) return 'a line that is no key';
  const digest = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64').replace(/=+$/, '');
  return `${type} SHA256:${digest} ${shown(comment)}`.trimEnd();
}
