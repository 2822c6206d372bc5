import {parseControl} from '../../inventory/control.ts';
import {aptSources, deb822Sources, type ImageSource, oneLineSources} from '../apt-sources.ts';
import {type Check, dpkgStatus, type Look} from '../check.ts';
import type {Remark} from '../finding.ts';
import {rpmRepositories} from '../rpm-repositories.ts';
import {bytesOf, shown} from '../tree.ts';

/** Packages, now and later, only from where the spec says, and verified: sources.list(5), apt-secure(8), apt.conf(5). */
export const packageSources: Check = {
  name: 'package-sources',
  tree: (look) => [
    ...sources(look),
    ...unverified(look),
    ...keys(look),
    ...rpmRepositories(look),
    ...look.strangers.map(({name, version}) => ({
      severity: 'high' as const,
      path: look.database,
      detail: `the package ${name} ${version} is in none of the archives of the spec`,
    })),
    ...broken(look),
  ],
};

function sources({tree, expected}: Look): readonly Remark[] {
  const known = knownSources({tree, expected});
  return aptSources(tree).flatMap((source): readonly Remark[] => {
    const {path, uri, suite, options} = source;
    const place = shown(path);
    const what = `${withoutLogin(uri)} ${shown(suite)}`;
    return [
      ...(known(source)
        ? []
        : [{severity: 'high', path: place, detail: `the spec does not name this source: ${what}`} as const]),
      ...(isYes(options.get('trusted'))
        ? [{severity: 'high', path: place, detail: `nothing from ${what} is verified: trusted=yes`} as const]
        : []),
      ...['allow-insecure', 'allow-weak', 'allow-downgrade-to-insecure']
        .filter((name) => isYes(options.get(name)))
        .map((name) => ({severity: 'high' as const, path: place, detail: `${name}=yes for ${what}`})),
    ];
  });
}

/** The distribution's own archive is what apt's documentation in the tree proposes, where the spec names none. */
function knownSources({tree, expected}: Pick<Look, 'tree' | 'expected'>): (source: ImageSource) => boolean {
  const {repositories, archive} = expected;
  const {suites, security_suite: securitySuite, main, security} = archive;
  const folder = '/usr/share/doc/apt/examples';
  const proposed = tree
    .names(folder)
    .filter((name) => name.includes('sources'))
    .flatMap((name) => {
      const text = tree.read(`${folder}/${name}`) ?? '';
      return [...oneLineSources(name, text), ...deb822Sources(name, text)];
    });
  const urisOf = (given: string | undefined, suite: string | undefined): readonly string[] =>
    given === undefined ? proposed.filter((one) => one.suite === suite).map(({uri}) => uri) : [given];
  const pairs = [
    ...urisOf(main, suites[0]).flatMap((uri) => suites.map((suite) => [uri, suite] as const)),
    ...(main !== undefined && security === undefined ? [] : urisOf(security, securitySuite)).map(
      (uri) => [uri, securitySuite] as const,
    ),
    ...repositories.flatMap(({uri, suites: own}) => own.map((suite) => [uri, suite] as const)),
  ];
  const keys = new Set(pairs.map(([uri, suite]) => keyOf(bytesOf(uri), bytesOf(suite))));
  return ({uri, suite}) => keys.has(keyOf(uri, suite));
}

function keyOf(uri: string, suite: string): string {
  return `${uri.replace(/\/+$/, '')} ${suite}`;
}

/** A URI may hold a password. */
function withoutLogin(uri: string): string {
  return shown(uri.replace(/\/\/[^/@]*@/, '//'));
}

function isYes(value: string | undefined): boolean {
  return value !== undefined && /^(?:yes|true|1|on|with|enable)$/i.test(value.trim());
}

const unsafeOption =
  /(APT::Get::AllowUnauthenticated|Acquire::Allow(?:Insecure|Weak|DowngradeToInsecure)Repositories|AllowUnauthenticated)["\s]+(?:"?(?:true|yes|1|on|with|enable)"?)/i;
const unverifiedTls = /Acquire::https(?:::[^\s"]+)?::Verify-(?:Peer|Host)\s+"?(?:false|no|0|off)"?/i;

function unverified({tree}: Look): readonly Remark[] {
  const folder = tree.resolve('/etc/apt/apt.conf.d') ?? '';
  const files = ['/etc/apt/apt.conf', ...tree.names(folder).map((name) => `${folder}/${name}`)];
  return files.flatMap((path) =>
    tree.lines(path).flatMap((line): readonly Remark[] => {
      const plain = line.replace(/^\s*(?:\/\/|#).*$/, '');
      if (!unsafeOption.test(plain) && !unverifiedTls.test(plain)) return [];
      const detail = `apt is told not to verify: ${shown(plain.trim())}`;
      return [{severity: 'high', path: shown(path), detail}];
    }),
  );
}

/** Keys that count for every source (apt-key(8)). */
function keys({tree, packaged}: Look): readonly Remark[] {
  const folder = tree.resolve('/etc/apt/trusted.gpg.d') ?? '';
  const files = tree.names(folder).map((name) => `${folder}/${name}`);
  return ['/etc/apt/trusted.gpg', ...files]
    .filter((path) => /\.(?:gpg|asc)$/.test(path))
    .filter((path) => (tree.entry(path)?.sizeBytes ?? 0) > 0 && packaged.ownerOf(path) === undefined)
    .map((path) => ({
      severity: 'high',
      path: shown(path),
      detail: 'a key that counts for every source, and that no package brought',
    }));
}

/** Everything but what is whole and configured, or was removed (dpkg(1), INFORMATION ABOUT PACKAGES). */
function broken({tree}: Look): readonly Remark[] {
  return parseControl(tree.read(dpkgStatus) ?? '').flatMap((paragraph) => {
    const [, flag = '', state = ''] = paragraph.get('Status').split(' ');
    const isSound = flag === 'ok' && ['installed', 'config-files', 'not-installed'].includes(state);
    return isSound
      ? []
      : [
          {
            severity: 'high' as const,
            path: dpkgStatus,
            detail: `the package ${shown(paragraph.get('Package'))} is ${shown(state || 'in no known state')}${flag === 'reinstreq' ? ', and to be installed again' : ''}`,
          },
        ];
  });
}
