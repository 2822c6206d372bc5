import type {VettedTree} from './tree.ts';

/**
 * The values of an option in each place that sshd_config(5) and its drop-ins set it, `Match` blocks included; names do not
 * tell upper from lower case.
 */
export function sshdOption(tree: VettedTree, name: string): readonly (readonly string[])[] {
  const folder = '/etc/ssh/sshd_config.d';
  const found = tree.resolve(folder) ?? folder;
  const files = [
    '/etc/ssh/sshd_config',
    ...tree
      .names(found)
      .filter((one) => one.endsWith('.conf'))
      .map((one) => `${found}/${one}`),
  ];
  const pattern = new RegExp(`^\\s*${name}(?:\\s+|\\s*=\\s*)(.*)$`, 'i');
  return files
    .flatMap((path) => tree.lines(path))
    .flatMap((line) => {
      const value = pattern.exec(line)?.[1];
      return value === undefined ? [] : [words(value)];
    });
}

/** Words parted by blanks, in quotes where they hold some; `#` begins a comment. */
function words(text: string): readonly string[] {
  const plain = text.replace(/(?:^|\s)#.*$/, '').trim();
  return [...plain.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}
