import {expect, it} from 'vitest';
import {gatheredPackages, readGathered} from '../../../src/inventory/gathered.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const status = `Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21
Installed-Size: 5
Conffiles:
 /etc/dpkg/same 11111111111111111111111111111111
 /etc/dpkg/edited 22222222222222222222222222222222
 /etc/dpkg/gone 33333333333333333333333333333333

Package: tool
Status: install ok installed
Architecture: amd64
Version: 2
Installed-Size: 7
`;

const files = {
  status,
  'os-release': 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian 12"\n',
  'copyright/tool':
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: odd\n Text.\n',
  kernels: '6.1.0-9-amd64\n6.1.0-10-amd64\n',
  users: 'root 0 0 /root /bin/bash hash\nalice 1000 1000 /home/alice%20b /bin/sh empty\n',
  groups: 'sudo 27 bob,alice\nroot 0 \n',
  units: 'installable ssh.service\n',
  setuid: '4755 0 0 1 /usr/bin/su\n4755 0 0 0 /opt/own\n',
  unowned:
    'link 0777 0 0 7 /etc/mtab ../proc/self/mounts\nfile 0644 0 0 3 /etc/a%C3%A4%20b%25 \nother 0600 0 0 0 /opt/pipe \nfile 0644 0 0 1 /opt/%FF \n',
  sha256: `${'a'.repeat(64)}  /etc/aä b%\0${'b'.repeat(64)}  /etc/dpkg/edited\0`,
  sha1: `${'c'.repeat(40)}  /etc/aä b%\0`,
  md5: `${'1'.repeat(32)}  /etc/dpkg/same\0${'9'.repeat(32)}  /etc/dpkg/edited\0`,
  size: '1000 10 2 3\n',
};

it('readGathered() makes an inventory of what was gathered, sorted', () => {
  using folder = new TemporaryFolder(files);
  const {inventory, named, sha1} = readGathered(folder.path, ({name}) =>
    name === 'tool' ? {path: 'pool/tool.deb', sha256: 'f'.repeat(64)} : undefined,
  );
  expect(inventory).toMatchObject({
    version: 1,
    os: {id: 'debian', version_id: '12', codename: 'bookworm', name: 'Debian 12', architecture: 'amd64'},
    packages: [{name: 'dpkg'}, {name: 'tool', licences: ['LicenseRef-odd'], deb: {path: 'pool/tool.deb'}}],
    kernels: ['6.1.0-10-amd64', '6.1.0-9-amd64'],
    users: [
      {name: 'alice', uid: 1000, gid: 1000, home: '/home/alice b', shell: '/bin/sh', password: 'empty'},
      {name: 'root', uid: 0, gid: 0, home: '/root', shell: '/bin/bash', password: 'hash'},
    ],
    groups: [
      {name: 'root', gid: 0, members: []},
      {name: 'sudo', gid: 27, members: ['alice', 'bob']},
    ],
    units: [{name: 'ssh.service', state: 'disabled'}],
    setuid: [
      {path: '/opt/own', mode: '4755', uid: 0, gid: 0, owned: false},
      {path: '/usr/bin/su', mode: '4755', uid: 0, gid: 0, owned: true},
    ],
    size: {bytes: 1000, files: 10, links: 2, folders: 3, packages_kib: 12},
  });
  expect(inventory.files).toEqual({
    unowned: [
      {
        path: '/etc/aä b%',
        type: 'file',
        mode: '0644',
        uid: 0,
        gid: 0,
        size_bytes: 3,
        sha256: 'a'.repeat(64),
      },
      {path: '/etc/mtab', type: 'link', mode: '0777', uid: 0, gid: 0, target: '../proc/self/mounts'},
      // A name that is no UTF-8 stays as it was written down.
      {path: '/opt/%FF', type: 'file', mode: '0644', uid: 0, gid: 0, size_bytes: 1},
      {path: '/opt/pipe', type: 'other', mode: '0600', uid: 0, gid: 0},
    ],
    changed: [
      {path: '/etc/dpkg/edited', package: 'dpkg', state: 'changed', sha256: 'b'.repeat(64)},
      {path: '/etc/dpkg/gone', package: 'dpkg', state: 'removed'},
    ],
  });
  expect(named.get('tool')).toEqual([{ref: 'LicenseRef-odd', name: 'odd', text: 'Text.'}]);
  expect(sha1.get('/etc/aä b%')).toBe('c'.repeat(40));
});

it('gatheredPackages() tells what to look for', () => {
  using folder = new TemporaryFolder({status});
  expect(gatheredPackages(folder.path).map(({name, version}) => `${name} ${version}`)).toEqual([
    'dpkg 1.21',
    'tool 2',
  ]);
});
