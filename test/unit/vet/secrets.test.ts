import {createHash} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {largestTextBytes} from '../../../src/vet/tree.ts';
import {told} from './planted.ts';

/** Nothing here is a key: headers of formats, and letters. */
const body = 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC';
const pem = (kind: string, text = body): string =>
  `-----BEGIN ${kind}-----\n${text}\n-----END ${kind}-----\n`;
const a = (count: number): string => 'a'.repeat(count);

describe('private-keys', () => {
  it.each([
    ['PKCS #8', pem('PRIVATE KEY'), 'PEM or OpenSSH'],
    ['encrypted', pem('ENCRYPTED PRIVATE KEY'), 'PEM or OpenSSH'],
    [
      'PKCS #1 with fields',
      pem('RSA PRIVATE KEY', `Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n${body}`),
      'PEM or OpenSSH',
    ],
    ['OpenSSH', `some text\r\n${pem('OPENSSH PRIVATE KEY').replaceAll('\n', '\r\n')}`, 'PEM or OpenSSH'],
    ['indented in YAML', `key: |\n  ${pem('EC PRIVATE KEY').replaceAll('\n', '\n  ')}`, 'PEM or OpenSSH'],
    ['in JSON', JSON.stringify({key: pem('PRIVATE KEY')}), 'PEM or OpenSSH'],
    [
      'in a program',
      `key = "${pem('RSA PRIVATE KEY').trimEnd().replaceAll('\n', '\\n" +\n  "')}"\n`,
      'PEM or OpenSSH',
    ],
    ['OpenPGP', pem('PGP PRIVATE KEY BLOCK', `Version: 1\n\n${body}`), 'OpenPGP'],
    ['SSH2', `---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "x"\n${body}\n`, 'SSH2'],
    ['PuTTY', `PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n`, 'PuTTY'],
    ['age', `AGE-SECRET-KEY-1${'Q'.repeat(58)}\n`, 'age'],
  ])('finds one: %s', (_, text, kind) => {
    expect(told('private-keys', {'srv/app/config.txt': text})).toEqual([
      `high /srv/app/config.txt: a private key (${kind})`,
    ]);
  });

  it.each([
    [
      'a program that knows the header',
      `if line == "-----BEGIN RSA PRIVATE KEY-----":\n    return "a key"\n`,
    ],
    ['a public key', pem('PUBLIC KEY')],
    ['a certificate', pem('CERTIFICATE')],
    ['documentation', `a line such as -----BEGIN PRIVATE KEY----- and so on\n`],
    ['a binary file', `\0${pem('PRIVATE KEY')}`],
    ['a file too long to be one', `${'x'.repeat(largestTextBytes)}\n${pem('PRIVATE KEY')}`],
  ])('does not take for one: %s', (_, text) => {
    expect(told('private-keys', {'srv/file': text})).toEqual([]);
  });

  it.each([
    ['blank lines', '\n'.repeat(1_000_000)],
    ['blanks', ' '.repeat(1_000_000)],
    ['headers', `-----BEGIN PRIVATE KEY-----\n`.repeat(30_000)],
    ['fields', `-----BEGIN PRIVATE KEY-----\n${'a: '.repeat(300_000)}`],
    ['service accounts', '"type": "service_account" '.repeat(38_000)],
  ])('is not kept busy by a file of %s', (_, text) => {
    const files = {
      'etc/openstack/clouds.yaml': `${text}PRIVATE KEY-----`,
      'etc/x.conf': text,
      'root/.kube/config': text,
    };

    expect(told('private-keys', files)).toEqual([]);
  });

  it('finds files that are secrets by their names, and WireGuard in its own files', () => {
    const wireguard = `[Interface]\nPrivateKey = ${a(43)}=\n`;

    expect(
      told('private-keys', {
        'etc/munge/munge.key': '\0\x01',
        'etc/krb5.keytab': '\x05\x02',
        'root/.gnupg/private-keys-v1.d/0123.key': 'x',
        'etc/wireguard/wg0.conf': wireguard,
        'usr/share/doc/wireguard/README': wireguard,
        'srv/store.p12': '\0',
      }),
    ).toEqual([
      'high /etc/krb5.keytab: a Kerberos keytab',
      "high /etc/munge/munge.key: munge's key: whoever has it can be anybody on the cluster",
      'high /etc/wireguard/wg0.conf: a private key (WireGuard)',
      "high /root/.gnupg/private-keys-v1.d/0123.key: a private key in GnuPG's folder",
      'medium /srv/store.p12: a store of keys (PKCS #12 or Java)',
    ]);
  });

  it('lets the test key of a package pass while it is what the package brought', () => {
    const key = pem('RSA PRIVATE KEY');
    const md5 = createHash('md5').update(key).digest('hex');
    const packaged = (text: string): Record<string, string> => ({
      'usr/lib/python3/tests/key.pem': text,
      'var/lib/dpkg/info/python3-x.list':
        '/.\n/usr\n/usr/lib\n/usr/lib/python3\n/usr/lib/python3/tests\n/usr/lib/python3/tests/key.pem\n',
      'var/lib/dpkg/info/python3-x.md5sums': `${md5}  usr/lib/python3/tests/key.pem\n`,
    });

    expect(told('private-keys', packaged(key))).toEqual([]);
    expect(told('private-keys', packaged(key.replace('MII', 'XII')))).toHaveLength(1);
    expect(told('private-keys', {...packaged(key), 'srv/key.pem': key})).toEqual([
      'high /srv/key.pem: a private key (PEM or OpenSSH)',
    ]);
  });

  it('knows whose a file is through a merged /usr, and configuration files by the status file', () => {
    const key = pem('PRIVATE KEY');
    const md5 = createHash('md5').update(key).digest('hex');

    expect(
      told('private-keys', {
        lib: {link: 'usr/lib'},
        'usr/lib/x/key.pem': key,
        'etc/x/key.pem': key,
        'var/lib/dpkg/info/x:amd64.list': '/lib/x/key.pem\n/etc/x/key.pem\n',
        'var/lib/dpkg/info/x:amd64.md5sums': `${md5}  lib/x/key.pem\n`,
        'var/lib/dpkg/status': `Package: x\nStatus: install ok installed\nConffiles:\n /etc/x/key.pem ${md5}\n`,
      }),
    ).toEqual([]);
  });
});

describe('cloud-credentials', () => {
  it.each([
    [
      'root/.aws/credentials',
      `aws_secret_access_key = ${a(40)}\n`,
      'a secret key of AWS, or of a service with its API',
    ],
    [
      'root/eucarc',
      `export EC2_SECRET_KEY='${a(40)}'\n`,
      'a secret key of AWS, or of a service with its API',
    ],
    ['srv/app.json', `{"secretAccessKey": "${a(40)}"}`, 'a secret key of AWS, or of a service with its API'],
    [
      'srv/key.json',
      `{"type": "service_account", "private_key": "-----BEGIN x"}`,
      'a key of a service account of Google Cloud',
    ],
    ['srv/env', `AccountName=x;AccountKey=${a(86)}==`, 'a connection string of Azure'],
    ['srv/env', `SharedAccessKey=${a(43)}=`, 'a connection string of Azure'],
    ['srv/env', `TOKEN=ghp_${a(36)}\n`, 'a token of GitHub'],
    ['srv/env', `TOKEN=github_pat_${a(22)}_${a(59)}\n`, 'a token of GitHub'],
    ['srv/env', `TOKEN=glpat-${a(20)}\n`, 'a token of GitLab'],
    ['srv/env', `TOKEN=npm_${a(36)}\n`, 'a token of npm'],
    ['root/.npmrc', '//registry.example.org/:_authToken=abc\n', 'a token of a registry of packages'],
    [
      'etc/openstack/clouds.yaml',
      'clouds:\n  x:\n    auth:\n      password: geheim\n',
      'a password of an OpenStack cloud',
    ],
    [
      'root/.config/openstack/secure.yaml',
      '      application_credential_secret: "x"\n',
      'a password of an OpenStack cloud',
    ],
    ['root/openrc', 'export OS_PASSWORD=geheim\n', 'a password of an OpenStack cloud'],
    ['root/.docker/config.json', '{"auths": {"r": {"auth": "YTpi"}}}', 'a login to a registry of containers'],
    ['root/.netrc', 'machine x login y password z\n', 'a password (netrc)'],
    ['etc/apt/auth.conf.d/x.conf', 'machine x login y password z\n', 'a password (netrc)'],
    ['root/.kube/config', 'users:\n- user:\n    token: abc\n', 'credentials of a Kubernetes cluster'],
    ['root/.one/one_auth', 'oneadmin:geheim\n', 'a login to OpenNebula'],
    ['root/.pgpass', '*:*:*:*:geheim\n', 'a password of a database'],
  ])('finds one in /%s: %s', (path, text, detail) => {
    expect(told('cloud-credentials', {[path]: text})).toEqual([`high /${path}: ${detail}`]);
  });

  it('tells an access key id by itself as less', () => {
    expect(told('cloud-credentials', {'srv/x': `id=AKIA${'A'.repeat(16)}\n`})).toEqual([
      'medium /srv/x: an access key id of AWS',
    ]);
  });

  it.each([
    [
      'srv/doc',
      `aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\nid=AKIAIOSFODNN7EXAMPLE\n`,
    ],
    ['srv/sha', `secret_key_digest ${a(64)}\n`],
    ['root/openrc', 'read -sr OS_PASSWORD_INPUT\nexport OS_PASSWORD=$OS_PASSWORD_INPUT\n'],
    ['root/.docker/config.json', '{"auths": {}, "credsStore": "pass"}'],
    ['etc/openstack/clouds.yaml', 'clouds:\n  x:\n    auth: {username: y}\n'],
    ['root/.netrc', 'machine x login anonymous\n'],
    ['srv/words', 'ghp_ is how a token begins, and so is glpat-\n'],
  ])('does not take for one what is in /%s', (path, text) => {
    expect(told('cloud-credentials', {[path]: text})).toEqual([]);
  });
});
