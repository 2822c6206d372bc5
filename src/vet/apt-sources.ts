import type {VettedTree} from './tree.ts';

/** A source of packages as an image's apt reads it: sources.list(5), in either format; a line for each URI and suite. */
export interface ImageSource {
  readonly path: string;
  readonly uri: string;
  readonly suite: string;
  /** Options in lower case with `-`: `trusted`, `signed-by`. */
  readonly options: ReadonlyMap<string, string>;
}

/** What apt is set up with in the tree; sources that are disabled are none. */
export function aptSources(tree: VettedTree): readonly ImageSource[] {
  const folder = tree.resolve('/etc/apt/sources.list.d') ?? '';
  const beside = tree.names(folder).map((name) => `${folder}/${name}`);
  return [
    ...['/etc/apt/sources.list', ...beside.filter((path) => path.endsWith('.list'))].flatMap((path) =>
      oneLineSources(path, tree.read(path) ?? ''),
    ),
    ...beside
      .filter((path) => path.endsWith('.sources'))
      .flatMap((path) => deb822Sources(path, tree.read(path) ?? '')),
  ];
}

/** `deb [option=value …] uri suite component…` */
export function oneLineSources(path: string, text: string): readonly ImageSource[] {
  return text.split('\n').flatMap((line) => {
    const [, bracket = '', uri, suite] =
      /^\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/.exec(line.replace(/#.*$/, '')) ?? [];
    if (uri === undefined || suite === undefined) return [];
    const options = [...bracket.matchAll(/([A-Za-z-]+)[+-]?=("[^"]*"|\S+)/g)].map(
      ([, name = '', value = '']) => [name.toLowerCase(), value.replaceAll('"', '')] as const,
    );
    return [{path, uri, suite, options: new Map(options)}];
  });
}

/** Stanzas of `Types`, `URIs`, `Suites` and options (deb822(5)). */
export function deb822Sources(path: string, text: string): readonly ImageSource[] {
  return text.split(/\n(?:[ \t]*\n)+/).flatMap((stanza) => {
    const options = new Map<string, string>();
    let name = '';
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue;
      const [, field, value = ''] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
      if (field === undefined) options.set(name, `${options.get(name) ?? ''}\n${line.trim()}`);
      else {
        name = field.toLowerCase();
        options.set(name, value.trim());
      }
    }
    if (/^(?:no|false|0|off|without|disable)$/i.test(options.get('enabled') ?? '')) return [];
    const words = (field: string): readonly string[] =>
      (options.get(field) ?? '').split(/\s+/).filter((word) => word !== '');
    return words('uris').flatMap((uri) => words('suites').map((suite) => ({path, uri, suite, options})));
  });
}
