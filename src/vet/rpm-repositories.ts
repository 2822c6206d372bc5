import type {Look} from './check.ts';
import type {Remark} from './finding.ts';
import {bytesOf, shown} from './tree.ts';

/**
 * Repositories that dnf of the image will ask (dnf.conf(5)): those of the distribution's own packages as they brought them,
 * and those of the spec. Packages are always to be verified.
 */
export function rpmRepositories({tree, packaged, expected}: Look): readonly Remark[] {
  const known = new Set(expected.repositories.map(({uri}) => withoutSlash(bytesOf(uri))));
  return tree
    .names(folder)
    .filter((name) => name.endsWith('.repo'))
    .flatMap((name) => {
      const path = `${folder}/${name}`;
      const entry = tree.entry(path);
      if (entry === undefined || packaged.isUnchanged(entry)) return [];
      return sections(tree.read(path) ?? '').flatMap(({id, values}): readonly Remark[] => {
        if (isNo(values.get('enabled'))) return [];
        const uris = ['baseurl', 'mirrorlist', 'metalink'].flatMap((key) => values.get(key) ?? []);
        const place = shown(path);
        return [
          ...(uris.length > 0 && uris.every((uri) => known.has(withoutSlash(uri)))
            ? []
            : [
                {
                  severity: 'high',
                  path: place,
                  detail: `the spec does not name this repository: ${shown(id)}`,
                } as const,
              ]),
          ...(isNo(values.get('gpgcheck'))
            ? [
                {
                  severity: 'high',
                  path: place,
                  detail: `nothing from ${shown(id)} is verified: gpgcheck=0`,
                } as const,
              ]
            : []),
        ];
      });
    });
}

const folder = '/etc/yum.repos.d';

function sections(
  text: string,
): readonly {readonly id: string; readonly values: ReadonlyMap<string, string>}[] {
  const found: {id: string; values: Map<string, string>}[] = [];
  for (const line of text.split('\n')) {
    const id = /^\[(.+)\]\s*$/.exec(line)?.[1];
    if (id !== undefined) found.push({id, values: new Map()});
    const [, key, value = ''] = /^([a-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined) found.at(-1)?.values.set(key, value);
  }
  return found;
}

function isNo(value: string | undefined): boolean {
  return value !== undefined && /^(?:0|no|false|off)$/i.test(value);
}

function withoutSlash(uri: string): string {
  return uri.replace(/\/+$/, '');
}
