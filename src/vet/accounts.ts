import type {VettedTree} from './tree.ts';

/** The second field of a line of passwd(5), shadow(5), group(5) or gshadow(5). */
export interface PasswordField {
  readonly path: string;
  readonly kind: 'user' | 'group';
  readonly name: string;
  readonly value: string;
}

/** The databases of accounts, and the copies that tools leave of them. */
const files: readonly (readonly [path: string, kind: PasswordField['kind']])[] = [
  ...['/etc/passwd', '/etc/shadow'].flatMap((path) => copies(path).map((one) => [one, 'user'] as const)),
  ...['/etc/group', '/etc/gshadow'].flatMap((path) => copies(path).map((one) => [one, 'group'] as const)),
];

export function passwordFields(tree: VettedTree): readonly PasswordField[] {
  return files.flatMap(([path, kind]) =>
    tree.lines(path).flatMap((line) => {
      const [name = '', value] = line.split(':');
      return value === undefined || name.startsWith('#') ? [] : [{path, kind, name, value}];
    }),
  );
}

export function accountsOf(tree: VettedTree): readonly {readonly name: string; readonly home: string}[] {
  return tree.lines('/etc/passwd').flatMap((line) => {
    const [name = '', , , , , home = ''] = line.split(':');
    return home.startsWith('/') ? [{name, home}] : [];
  });
}

/** Of shadow-utils, of editors, and of Debian's daily job. */
function copies(path: string): readonly string[] {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return [path, `${path}-`, `${path}~`, `${path}.org`, `/var/backups/${name}.bak`];
}
