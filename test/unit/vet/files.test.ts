import {mkdirSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {shown, VettedTree} from '../../../src/vet/tree.ts';
import {vetTree} from '../../../src/vet/vet-tree.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {nobody, plant, told} from './planted.ts';

describe('histories-and-logs', () => {
  it('finds what people and programs left behind', () => {
    expect(
      told('histories-and-logs', {
        'root/.bash_history': 'ls\n',
        'home/a/.python_history': 'x\n',
        'home/a/.lesshst': 'x\n',
        'home/a/.ssh/known_hosts': 'x\n',
        'var/log/apt/history.log': 'x\n',
        'var/log/journal/0123/system.journal': 'x',
        'var/mail/root': 'x',
        'var/lib/dhcp/dhclient.eth0.leases': 'x',
        'var/crash/core.1': 'x',
      }),
    ).toEqual([
      'medium /home/a/.lesshst: a history of what was typed',
      'medium /home/a/.python_history: a history of what was typed',
      'low /home/a/.ssh/known_hosts: hosts that somebody logged in to',
      'medium /root/.bash_history: a history of what was typed',
      'medium /var/crash/core.1: the memory of a program that crashed',
      'low /var/lib/dhcp/dhclient.eth0.leases: an address of the machine that made the image',
      'low /var/log/apt/history.log: a log',
      'low /var/log/journal/0123/system.journal: a journal of the machine that made the image',
      'medium /var/mail/root: mail',
    ]);
  });

  it('lets empty ones, folders and links pass', () => {
    expect(
      told('histories-and-logs', {
        'root/.bash_history': '',
        'var/log/wtmp': '',
        'var/log/README': {link: '../../usr/share/doc/systemd/README.logs'},
        'var/log/private': {folder: 0o700},
        'usr/share/bash/history': 'not one of somebody',
      }),
    ).toEqual([]);
  });
});

describe('world-writable', () => {
  it('finds files, and folders without the sticky bit', () => {
    expect(
      told('world-writable', {
        'etc/shared.conf': {text: '', mode: 0o666},
        'srv/drop': {folder: 0o777},
        'srv/sticky': {folder: 0o1777},
        'srv/group': {folder: 0o775},
        'srv/link': {link: '/nowhere'},
      }),
    ).toEqual([
      'high /etc/shared.conf: a file that everybody may write to (0666)',
      'high /srv/drop: a folder without the sticky bit that everybody may write to (0777)',
    ]);
  });
});

describe('setuid', () => {
  const dpkg = {'var/lib/dpkg/info/sudo.list': '/usr/bin/sudo\n/usr/bin/wall\n'};
  const sudo = {'usr/bin/sudo': {text: 'x', mode: 0o4755}};
  const netRaw = 'security.capability=0100000200200000000000000000000000000000';

  it('finds what no package owns', () => {
    const uid = String(process.getuid?.() ?? 0);
    const gid = String(process.getgid?.() ?? 0);

    expect(
      told('setuid', {
        ...dpkg,
        'usr/local/bin/su': {text: 'x', mode: 0o4755},
        'opt/tool': {text: 'x', mode: 0o6755},
        'usr/local/share': {folder: 0o2775},
      }),
    ).toEqual([
      `high /opt/tool: runs as the user ${uid} and runs as the group ${gid} (6755), and no package owns it`,
      `high /usr/local/bin/su: runs as the user ${uid} (4755), and no package owns it`,
    ]);
  });

  it('finds file capabilities, by name', () => {
    const xattrs = new Map([['opt/ping', [netRaw]]]);

    expect(told('setuid', {...dpkg, 'opt/ping': 'x'}, {xattrs})).toEqual([
      'high /opt/ping: has cap_net_raw, and no package owns it',
    ]);
  });

  it('lets what a package brought pass, and finds what something else made of it', () => {
    using folder = new TemporaryFolder();
    const files = {...dpkg, ...sudo};
    plant(folder.join('tree'), files);
    plant(folder.join('packages'), sudo);
    const vet = (packaged: readonly boolean[], layers: readonly string[]) =>
      vetTree({
        root: folder.join('tree'),
        layers: layers.map((name) => folder.join(name)),
        xattrs: new Map(),
        strangers: [],
        expected: {...nobody, packaged},
      }).findings.map(({path, detail}) => `${path}: ${detail}`);
    mkdirSync(folder.join('other'));

    expect(vet([true, false], ['packages', 'other'])).toEqual([]);
    plant(folder.join('other'), sudo);
    expect(vet([true, false], ['packages', 'other'])).toEqual([
      `/usr/bin/sudo: runs as the user ${String(process.getuid?.() ?? 0)} (4755), and sudo did not bring it so: files, a copy or a provisioner of the spec changed it`,
    ]);
    plant(folder.join('tree'), {'var/lib/dpkg/statoverride': 'root root 4755 /usr/bin/sudo\n'});
    expect(vet([true, false], ['packages', 'other'])).toEqual([]);
  });
});

describe('a tree that is looked at', () => {
  it('is never left by a link', () => {
    using folder = new TemporaryFolder({secret: 'of the host'});
    plant(folder.join('tree'), {
      'etc/passwd': {link: '../../../../../../../../secret'},
      'etc/shadow': {link: folder.join('secret')},
      'etc/circle': {link: 'circle'},
      'srv/up': {link: '/../../etc'},
    });
    const tree = new VettedTree(folder.join('tree'));

    expect(tree.read('/etc/passwd')).toBeUndefined();
    expect(tree.read('/etc/shadow')).toBeUndefined();
    expect(tree.read('/etc/circle')).toBeUndefined();
    expect(tree.resolve('/srv/up/x')).toBe('/etc/x');
    expect(tree.resolve('/srv/../../..//./etc')).toBe('/etc');
    expect([...tree.entries()].map(({path}) => path).sort()).toEqual([
      ...['/etc', '/etc/circle', '/etc/passwd', '/etc/shadow', '/srv', '/srv/up'],
    ]);
  });

  it('may have names that are no text', () => {
    expect(shown('/srv/\u00c3\u00a4')).toBe('/srv/ä');
    expect(shown('/srv/\u00ff x\n%')).toBe('/srv/%FF x%0A%25');
  });
});
