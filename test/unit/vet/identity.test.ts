import {describe, expect, it} from 'vitest';
import {findings, told} from './planted.ts';

const ed25519 = 'AAAAC3NzaC1lZDI1NTE5AAAAIAwI4o4AqCGqSR6ISBgPpzZ15kuFI1cSt4qJralB5MGf';
const fingerprint = 'SHA256:';
const passwd = 'root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\n';

it('finds nothing in a tree with nothing wrong', () => {
  const tree = {
    'etc/passwd': passwd,
    'etc/shadow': 'root:*:19000:0:99999:7:::\nalice:!:19000:0:99999:7:::\n',
    'etc/machine-id': '',
    'etc/ssh/sshd_config': 'Include /etc/ssh/sshd_config.d/*.conf\nPasswordAuthentication no\n',
    'var/log/wtmp': '',
    tmp: {folder: 0o1777},
    'var/lib/dpkg/status': 'Package: bash\nStatus: install ok installed\nVersion: 5\n\n',
  };

  expect(findings(tree)).toEqual([]);
});

describe('ssh-host-keys', () => {
  it('finds keys of sshd and dropbear, and their public halves', () => {
    expect(
      told('ssh-host-keys', {
        'etc/ssh/ssh_host_ed25519_key': 'secret',
        'etc/ssh/ssh_host_ed25519_key.pub': 'public',
        'etc/dropbear/dropbear_rsa_host_key': 'secret',
        'etc/ssh/ssh_host_rsa_key': '',
        'home/a/etc/ssh/ssh_host_rsa_key': 'not the one of this machine',
      }),
    ).toEqual([
      'high /etc/dropbear/dropbear_rsa_host_key: an SSH host key: every instance would have the same',
      'high /etc/ssh/ssh_host_ed25519_key: an SSH host key: every instance would have the same',
      'medium /etc/ssh/ssh_host_ed25519_key.pub: the public half of an SSH host key',
    ]);
  });

  it('follows HostKey of sshd_config, through links of the tree', () => {
    expect(
      told('ssh-host-keys', {
        'etc/ssh/sshd_config.d/site.conf': 'hostkey "/keys/host"  # ours\n#HostKey /keys/other\n',
        'srv/keys/host': 'secret',
        'srv/keys/other': 'secret',
        keys: {link: '/srv/keys'},
      }),
    ).toEqual(['high /srv/keys/host: an SSH host key: every instance would have the same']);
  });
});

describe('authorized-keys', () => {
  const named = {users: [{name: 'alice', keys: [`ssh-ed25519 ${ed25519} alice@example.org`]}]};

  it('lets the keys of the spec pass, whatever their comment', () => {
    const file = {
      'etc/passwd': passwd,
      'home/alice/.ssh/authorized_keys': `# ours\n\nssh-ed25519 ${ed25519} laptop\n`,
    };

    expect(told('authorized-keys', file, {expected: named})).toEqual([]);
  });

  it("finds another's, one with other options, and one of another user", () => {
    const line = `ssh-ed25519 ${ed25519} x`;
    const found = told(
      'authorized-keys',
      {
        'etc/passwd': passwd,
        'root/.ssh/authorized_keys': line,
        'home/alice/.ssh/authorized_keys': `command="/bin/sh" ${line}\nssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== eve\n`,
        'opt/left/.ssh/authorized_keys2': `no key at all\n`,
      },
      {expected: named},
    );

    expect(found.map((one) => one.replace(/SHA256:[A-Za-z0-9+/]{43}/, fingerprint))).toEqual([
      'high /home/alice/.ssh/authorized_keys: a key that the spec does not name for alice: ssh-ed25519 SHA256: x',
      'high /home/alice/.ssh/authorized_keys: a key that the spec does not name for alice: ssh-rsa SHA256: eve',
      'high /opt/left/.ssh/authorized_keys2: a key that the spec does not name: a line that is no key',
      'high /root/.ssh/authorized_keys: a key that the spec does not name for root: ssh-ed25519 SHA256: x',
    ]);
  });

  it('follows AuthorizedKeysFile', () => {
    const found = told(
      'authorized-keys',
      {
        'etc/passwd': passwd,
        'etc/ssh/sshd_config': 'AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u\n',
        'etc/ssh/keys/root': 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== eve\n',
      },
      {expected: named},
    );

    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(
      /^high \/etc\/ssh\/keys\/root: a key that the spec does not name for root: ssh-rsa /,
    );
  });

  it("knows a user's home behind a link", () => {
    const tree = {
      'etc/passwd': passwd,
      home: {link: 'srv/home'},
      'srv/home/alice/.ssh/authorized_keys': `ssh-ed25519 ${ed25519}\n`,
    };

    expect(told('authorized-keys', tree, {expected: named})).toEqual([]);
  });
});

describe('machine-id', () => {
  it.each(['', '\n', 'uninitialized\n'])('lets %j pass', (text) => {
    expect(told('machine-id', {'etc/machine-id': text})).toEqual([]);
  });

  it('finds whatever tells machines apart', () => {
    expect(
      told('machine-id', {
        'etc/machine-id': 'b08dfa6083e7567a1921a715000001fb\n',
        'var/lib/dbus/machine-id': 'b08dfa6083e7567a1921a715000001fb\n',
        'var/lib/systemd/random-seed': 'x',
        'var/lib/systemd/credential.secret': 'x',
        'etc/iscsi/initiatorname.iscsi': '# made\nInitiatorName=iqn.1993-08.org.debian:01:abc\n',
        'var/lib/cloud/instances/i-1/user-data.txt': 'x',
      }),
    ).toEqual([
      'medium /etc/iscsi/initiatorname.iscsi: the name of an iSCSI initiator: every instance would have the same',
      'high /etc/machine-id: a machine id: every instance would have the same, and often the same address by DHCP',
      'medium /var/lib/cloud/instances/i-1/user-data.txt: what cloud-init kept of another instance',
      "high /var/lib/dbus/machine-id: D-Bus's copy of a machine id",
      'high /var/lib/systemd/credential.secret: the key that credentials of this machine are encrypted with',
      'medium /var/lib/systemd/random-seed: a random seed: every instance would begin with the same',
    ]);
  });

  it('lets a link to the machine id and an empty iSCSI name pass', () => {
    expect(
      told('machine-id', {
        'var/lib/dbus/machine-id': {link: '/etc/machine-id'},
        'etc/iscsi/initiatorname.iscsi': 'GenerateName=yes\n',
      }),
    ).toEqual([]);
  });
});

describe('passwords', () => {
  const hash = '$y$j9T$abcdefgh$ijkl';
  const users = [
    {name: 'alice', keys: [], password: hash},
    {name: 'bob', keys: [], password: `!${hash}`},
  ];

  it('lets what the spec says pass, and locked accounts', () => {
    const shadow = `root:*:1::::::\ndaemon:!*:1::::::\nalice:${hash}:1::::::\nbob:!${hash}:1::::::\n`;

    expect(
      findings(
        {'etc/passwd': passwd, 'etc/shadow': shadow, 'etc/group': 'lab:x:1:\n', 'etc/gshadow': 'lab:!::\n'},
        {expected: {users}},
      ),
    ).toEqual([]);
  });

  it('finds every other hash and never tells it', () => {
    const found = told(
      'password-hashes',
      {
        'etc/passwd': `root:${hash}x:0:0::/root:/bin/sh\n`,
        'etc/shadow': `alice:${hash}other:1::::::\nbob:${hash}:1::::::\neve:!$6$a$b:1::::::\n`,
        'etc/shadow-': 'old:$1$a$b:1::::::\n',
        'etc/gshadow': 'lab:$6$a$b::\n',
        'etc/security/opasswd': 'alice:1000:1:$6$a$b\n',
      },
      {expected: {users}},
    );

    expect(found).toEqual([
      'high /etc/gshadow: a password hash of the group lab that the spec does not name',
      'high /etc/passwd: a password hash of the user root that the spec does not name',
      'high /etc/security/opasswd: hashes of former passwords (pam_pwhistory(8))',
      'high /etc/shadow: a password hash of the user alice that the spec does not name',
      'medium /etc/shadow: a password hash of the user eve that the spec does not name, locked',
      'high /etc/shadow: the password of the user bob is not locked, and the spec says that it is',
      'high /etc/shadow-: a password hash of the user old that the spec does not name',
    ]);
    expect(found.join()).not.toContain('$');
  });

  it('finds accounts without a password', () => {
    expect(
      told('empty-passwords', {
        'etc/passwd': 'guest::1:1::/:/bin/sh\n',
        'etc/shadow': 'alice::1::::::\n',
        'etc/gshadow': 'lab:::\n',
      }),
    ).toEqual([
      'high /etc/passwd: the user guest gets in without a password',
      'high /etc/shadow: the user alice gets in without a password',
    ]);
  });
});
