import {describe, expect, it, vi} from 'vitest';
import {siteAccess} from '../../../targets/eucalyptus/credentials.ts';
import {optionsOf, readEucaIni} from '../../../targets/eucalyptus/euca-ini.ts';
import {readEucarc} from '../../../targets/eucalyptus/eucarc.ts';
import {SiteFolder} from './peers/site-folder.ts';

/** As `euca_conf --get-credentials` of Eucalyptus 3 packs it. */
const eucarc = `EUCA_KEY_DIR=$(cd $(dirname \${BASH_SOURCE:-$0}); pwd -P)
export S3_URL=http://10.0.0.1:8773/services/Walrus
export EC2_URL=http://10.0.0.1:8773/services/Eucalyptus
export EUARE_URL=http://10.0.0.1:8773/services/Euare
export EC2_PRIVATE_KEY=\${EUCA_KEY_DIR}/user-key.pem
export EC2_CERT=\${EUCA_KEY_DIR}/user-cert.pem
export EC2_JVM_ARGS=-Djavax.net.ssl.trustStore=\${EUCA_KEY_DIR}/jssecacerts
export EUCALYPTUS_CERT="$EUCA_KEY_DIR/cloud-cert.pem"
export EC2_ACCOUNT_NUMBER='000123456789'
export EC2_ACCESS_KEY='AKI1'
export EC2_SECRET_KEY='s3"cret='
export AWS_CREDENTIAL_FILE=\${EUCA_KEY_DIR}/iamrc
export EC2_USER_ID='0001-2345-6789' # the account
alias ec2-bundle-image="ec2-bundle-image --cert \${EC2_CERT} --privatekey \${EC2_PRIVATE_KEY} --user \${EC2_ACCOUNT_NUMBER} --ec2cert \${EUCALYPTUS_CERT}"
`;

const keyDir = (name: string): string => `\${EUCA_KEY_DIR}/${name}`;

function read(text: string) {
  return readEucarc(text, {label: 'site/eucarc', path: '/home/alice/site/eucarc', home: '/home/alice'});
}

interface Where {
  readonly eucarc?: string;
  readonly region?: string;
}

function access(folder: SiteFolder, options: Where, env: NodeJS.ProcessEnv = {}) {
  const warnings: string[] = [];
  const site = {HOME: folder.join('home'), EUCA_INI_DIR: folder.join('site'), ...env};
  const found = siteAccess(
    {bucket: 'images', ...options},
    {env: site, projectDir: folder.path, warn: (message) => void warnings.push(message)},
  );
  return {...found, warnings};
}

// openssl makes keys, which takes its time on a busy host.
vi.setConfig({testTimeout: 60_000, hookTimeout: 60_000});

describe('readEucarc()', () => {
  it('reads what is assigned, without running anything', () => {
    const settings = read(eucarc);
    expect(settings.get('EC2_CERT')).toEqual({value: '/home/alice/site/user-cert.pem', at: 'site/eucarc:6'});
    expect(settings.get('EUCALYPTUS_CERT')?.value).toBe('/home/alice/site/cloud-cert.pem');
    expect(settings.get('EC2_SECRET_KEY')?.value).toBe('s3"cret=');
    expect(settings.get('EC2_USER_ID')?.value).toBe('0001-2345-6789');
  });

  it.each([
    ['A=b\nEC2_URL=$(get-url)\n', 'site/eucarc:2: EC2_URL is the output of a command, which is not run'],
    ['EC2_URL=`get-url`\n', 'site/eucarc:1: EC2_URL is not a plain value'],
    ['\n\nexport EC2_URL=http://$SITE/\n', 'site/eucarc:3: $SITE in EC2_URL was not assigned before'],
    ['EC2_URL="http://one\n', 'site/eucarc:1: EC2_URL is not a plain value'],
  ])('says where a value is none: %j', (text, message) => {
    expect(() => read(text)).toThrow(expect.objectContaining({code: 'CREDENTIALS_MISSING', message}));
  });
});

describe('readEucaIni()', () => {
  it('takes the option of the section with fewer wildcards, and of the same the later one', () => {
    const sections = readEucaIni(
      `; the site
[region site:one]
ec2-url = http://one/
[region *]
ec2-url = http://any/
user = alice
[region site:*]
s3-url: http://store/
user = bob
[region site:one]
ec2-url = http://newer/
`,
      'site.ini',
    );
    const options = optionsOf(sections, 'region', 'site:one');
    expect(Object.fromEntries([...options].map(([name, {value, at}]) => [name, `${value} ${at}`]))).toEqual({
      'ec2-url': 'http://newer/ site.ini:11',
      's3-url': 'http://store/ site.ini:8',
      user: 'bob site.ini:9',
    });
  });

  it('says where a line is neither a section nor an option', () => {
    expect(() => readEucaIni('# x\nuser = alice\n', '~/.euca/a.ini')).toThrow(
      expect.objectContaining({message: '~/.euca/a.ini:2: neither a [section] nor an option of one'}),
    );
  });
});

describe('siteAccess()', () => {
  it('reads the eucarc that is named, and opens what it names', () => {
    using folder = new SiteFolder({'site/eucarc': eucarc});
    folder.certificates();
    for (const name of ['user-key.pem', 'user-cert.pem', 'cloud-cert.pem']) {
      folder.move(name, `site/${name}`);
    }
    const found = access(folder, {eucarc: 'site/eucarc'});
    expect(found).toMatchObject({
      accessKeyId: 'AKI1',
      secretAccessKey: 's3"cret=',
      account: '000123456789',
      warnings: [],
    });
    expect([found.ec2Url.href, found.s3Url.pathname]).toEqual([
      'http://10.0.0.1:8773/services/Eucalyptus',
      '/services/Walrus',
    ]);
    expect(found.cloudCertificate.subject).toBe('CN=cloud');
    expect(found.userCertificate?.subject).toBe('CN=user');
    expect(found.privateKey?.asymmetricKeyType).toBe('rsa');
  });

  it("reads euca2ools' own files, and lets the environment say otherwise", () => {
    using folder = new SiteFolder({
      'site/conf.d/site.ini':
        '[region site]\nec2-url = http://ec2:8773/\ns3-url = http://s3:8773/\nuser = bob\n',
      'home/.euca/me.ini': `[global]
default-region = site
[user alice]
key-id = AKI2
secret-key = two
account-id = 000123456789
[region site]
certificate = ~/cloud-cert.pem
`,
    });
    folder.certificates();
    folder.move('cloud-cert.pem', 'home/cloud-cert.pem');
    expect(access(folder, {region: 'alice@'}).accessKeyId).toBe('AKI2');
    const found = access(folder, {}, {EUCA_DEFAULT_REGION: 'alice@site', EC2_URL: 'https://other/'});
    expect([found.ec2Url.href, found.s3Url.href]).toEqual(['https://other/', 'http://s3:8773/']);
    expect(found.warnings).toEqual([
      'Eucalyptus: the bundle is not signed, since there is no EC2_PRIVATE_KEY',
    ]);
    expect(() => access(folder, {region: 'nowhere'})).toThrow(
      expect.objectContaining({message: 'No file of euca2ools has a region nowhere'}),
    );
  });

  it.each<[string, RegExp | string, string, string]>([
    [
      'nothing at all',
      /.*/s,
      '',
      'Eucalyptus: EC2_URL, S3_URL, EC2_ACCESS_KEY, EC2_SECRET_KEY, EC2_USER_ID, EUCALYPTUS_CERT not found in site/eucarc',
    ],
    [
      'an account',
      "'0001-2345-6789'",
      "'alice'",
      'site/eucarc:13: EC2_USER_ID is no account number of 12 digits',
    ],
    [
      'a URL',
      'http://10.0.0.1:8773/services/Walrus',
      'walrus:8773',
      'site/eucarc:2: S3_URL is no http or https URL',
    ],
    [
      'a password in a URL',
      'http://10.0.0.1:8773/services/Walrus',
      'http://a:b@walrus/',
      'site/eucarc:2: S3_URL holds a user or a password',
    ],
    [
      'a certificate',
      keyDir('user-cert.pem'),
      keyDir('eucarc'),
      'site/eucarc:6: EC2_CERT names a file that is no X.509 certificate',
    ],
    [
      'a key',
      keyDir('user-key.pem'),
      keyDir('eucarc'),
      'site/eucarc:5: EC2_PRIVATE_KEY names a file that is no private key',
    ],
    [
      'a file',
      '$EUCA_KEY_DIR/cloud-cert.pem',
      '/nowhere/cloud.pem',
      'EUCALYPTUS_CERT (site/eucarc:8): /nowhere/cloud.pem: the file does not exist',
    ],
  ])('says with the line what is wrong: %s', (_what, from, to, message) => {
    using folder = new SiteFolder({'site/eucarc': eucarc.replace(from, () => to)});
    folder.certificates();
    for (const name of ['user-key.pem', 'user-cert.pem', 'cloud-cert.pem']) folder.move(name, `site/${name}`);
    expect(() => access(folder, {eucarc: 'site/eucarc'})).toThrow(
      expect.objectContaining({code: 'CREDENTIALS_MISSING', message}),
    );
  });
});
