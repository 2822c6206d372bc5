import {basename, posix} from 'node:path';
import type {CopiedFile} from '../plan/fingerprint.ts';
import {fail, ok} from '../result.ts';
import type {Group, Repository, Services, User, WriteFile} from '../spec/image.ts';
import {applyChanges, type Change} from './changes.ts';
import {hasDebs, hasRpms, isOnlyImported} from './rpm-tree.ts';
import type {StageContext, StageRunner} from './stage.ts';

/** `repositories`: keys and sources of further archives, before any package is installed. */
export const runRepositories = stage((context) => {
  const {repositories} = context.node.params as {
    repositories: readonly {
      name: string;
      uri: string;
      suites: readonly string[];
      components: readonly string[];
      signed_by: string;
      unsigned_metadata?: boolean;
    }[];
  };
  if (hasRpms(context.node)) return repositories.flatMap(rpmRepository);
  return repositories.flatMap((repository): Change[] => {
    const key = `/etc/apt/keyrings/${repository.name}${repository.signed_by.endsWith('.asc') ? '.asc' : '.gpg'}`;
    const text = [
      'Types: deb',
      `URIs: ${repository.uri}`,
      `Suites: ${repository.suites.join(' ')}`,
      ...(repository.components.length > 0 ? [`Components: ${repository.components.join(' ')}`] : []),
      `Signed-By: ${key}`,
      '',
    ].join('\n');
    return [
      {
        do: 'file',
        path: key,
        owner: 'root:root',
        permissions: '0644',
        content: {projectFile: repository.signed_by},
      },
      {
        do: 'file',
        path: `/etc/apt/sources.list.d/${repository.name}.sources`,
        owner: 'root:root',
        permissions: '0644',
        content: {text},
      },
    ];
  });
});

/** dnf.conf(5), `repo` sections. */
function rpmRepository({
  name,
  uri,
  signed_by: key,
  unsigned_metadata: unsigned,
}: Pick<Repository, 'name' | 'uri' | 'signed_by' | 'unsigned_metadata'>): readonly Change[] {
  const place = `/etc/pki/rpm-gpg/fgimage-${name}`;
  const text = [
    `[${name}]`,
    `name=${name}`,
    `baseurl=${uri}`,
    'gpgcheck=1',
    `repo_gpgcheck=${unsigned === true ? '0' : '1'}`,
    `gpgkey=file://${place}`,
    '',
  ].join('\n');
  const file = {do: 'file', owner: 'root:root', permissions: '0644'} as const;
  return [
    {...file, path: place, content: {projectFile: key}},
    {...file, path: `/etc/yum.repos.d/${name}.repo`, content: {text}},
  ];
}

/** `hostname`, `locale` and `timezone`. */
export const runSettings = stage((context) => {
  const {hostname, locale, timezone} = context.node.params as {
    hostname?: string;
    locale?: string;
    timezone?: string;
  };
  const changes: Change[] = [];
  const write = (path: string, text: string): void => {
    changes.push({do: 'file', path, owner: 'root:root', permissions: '0644', content: {text}});
  };
  if (hostname !== undefined) {
    write('/etc/hostname', `${hostname}\n`);
    write(
      '/etc/hosts',
      `127.0.0.1\tlocalhost\n127.0.1.1\t${hostname}\n\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n`,
    );
  }
  // The package of a language brings its locales made.
  if (locale !== undefined && !hasDebs(context.node)) write('/etc/locale.conf', `LANG=${locale}\n`);
  else if (locale !== undefined) {
    if (!/^(?:C|POSIX)(?:\.|$)/.test(locale)) {
      write('/etc/locale.gen', `${locale} ${locale.split('.')[1] ?? 'UTF-8'}\n`);
      changes.push({do: 'run', command: ['locale-gen']});
    }
    write('/etc/default/locale', `LANG=${locale}\n`);
  }
  if (timezone !== undefined) {
    write('/etc/timezone', `${timezone}\n`);
    changes.push({do: 'symlink', path: '/etc/localtime', target: `/usr/share/zoneinfo/${timezone}`});
    changes.push({do: 'run', command: ['test', '-f', `/usr/share/zoneinfo/${timezone}`]});
  }
  return changes;
});

/** `groups` and `users`, in cloud-init's words. */
export const runUsers = stage((context) => {
  const {groups, users} = context.node.params as unknown as {
    groups: readonly Group[];
    users: readonly User[];
  };
  const changes: Change[] = groups.map((group) => ({
    do: 'group',
    name: group.name,
    options: [...option('--gid', group.gid), ...(group.system === true ? ['--system'] : [])],
  }));
  const shell = isOnlyImported(context.node) ? '/bin/sh' : '/bin/bash';
  changes.push(...users.flatMap((user) => userChanges(user, shell)));
  for (const group of groups) {
    for (const member of group.members)
      changes.push({do: 'run', command: ['gpasswd', '--add', member, group.name]});
  }
  changes.push({
    do: 'remove',
    patterns: [
      '/etc/passwd-',
      '/etc/group-',
      '/etc/shadow-',
      '/etc/gshadow-',
      '/etc/subuid-',
      '/etc/subgid-',
    ],
  });
  return changes;
});

/** `shell`: of users that log in and of whom the spec says none. */
function userChanges(user: User, shell: string): readonly Change[] {
  const whenNew = [
    user.system ? '--system' : '--create-home',
    ...(user.primary_group === undefined ? ['--user-group'] : []),
  ];
  const always = [
    ...option('--comment', user.gecos),
    ...option('--uid', user.uid),
    ...option('--gid', user.primary_group),
    ...option('--home-dir', user.homedir),
    ...option('--shell', user.shell ?? (user.system || user.name === 'root' ? undefined : shell)),
    ...option('--groups', user.groups.length === 0 ? undefined : user.groups.join(',')),
    ...option('--password', user.hashed_passwd),
  ];
  const changes: Change[] = user.groups.map((name) => ({do: 'group', name, options: []}));
  changes.push({
    do: 'user',
    name: user.name,
    whenNew,
    always: always.map((word) => (word === '--home-dir' ? '--home' : word)),
  });
  if (user.lock_passwd) changes.push({do: 'run', command: ['usermod', '--lock', user.name]});
  if (user.ssh_authorized_keys.length > 0)
    changes.push({do: 'authorized-keys', user: user.name, keys: user.ssh_authorized_keys});
  if (user.sudo.length > 0) {
    const text = user.sudo.map((rule) => `${user.name} ${rule}\n`).join('');
    // sudo ignores names with a dot in sudoers.d.
    const path = `/etc/sudoers.d/90-${user.name.replaceAll('.', '_')}`;
    changes.push({do: 'file', path, owner: 'root:root', permissions: '0440', content: {text}});
  }
  return changes;
}

function option(name: string, value: string | number | undefined): readonly string[] {
  return value === undefined ? [] : [name, String(value)];
}

/** `write_files` and `copy`. */
export const runFiles = stage((context) => {
  const {write_files: written, copied} = context.node.params as unknown as {
    write_files: readonly WriteFile[];
    copied: readonly CopiedFile[];
  };
  return [
    ...copied.map(
      (entry): Change =>
        entry.link === undefined
          ? {
              do: 'file',
              path: entry.path,
              owner: entry.owner,
              permissions: entry.permissions,
              content: {projectFile: entry.source},
            }
          : {do: 'symlink', path: entry.path, target: entry.link},
    ),
    ...written.map(
      (file): Change => ({
        do: 'file',
        path: posix.normalize(file.path),
        owner: file.owner,
        permissions: file.permissions,
        append: file.append,
        content:
          file.source !== undefined
            ? {projectFile: file.source}
            : file.content_base64 !== undefined
              ? {bytes: Buffer.from(file.content_base64, 'base64')}
              : {text: file.content ?? ''},
      }),
    ),
  ];
});

/** `services`: presets by hand, with the image's own systemctl. */
export const runServices = stage((context) => serviceChanges(context.node.params as unknown as Services));

export function serviceChanges({enable, disable, mask}: Services): readonly Change[] {
  const systemctl = (verb: string, units: readonly string[]): Change[] =>
    units.length === 0 ? [] : [{do: 'run', command: ['systemctl', '--root=/', verb, ...units.map(unitName)]}];
  return [
    ...systemctl('unmask', enable),
    ...systemctl('enable', enable),
    ...systemctl('disable', disable),
    ...systemctl('mask', mask),
  ];
}

function unitName(name: string): string {
  return /\.[a-z]+$/.test(basename(name)) ? name : `${name}.service`;
}

function stage(changesOf: (context: StageContext) => readonly Change[]): StageRunner {
  return async (context) => {
    const done = await applyChanges(context, changesOf(context));
    return done.ok ? ok({result: {}}) : fail({failure: done.error});
  };
}
