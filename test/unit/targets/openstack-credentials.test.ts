import {describe, expect, it} from 'vitest';
import type {FgError} from '../../../src/errors.ts';
import {type CloudChoice, readCloud} from '../../../targets/openstack/credentials.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const auth = `auth_url: https://lab.example.org:5000
      username: me
      password: 0123
      project_name: demo`;
const lab = `clouds:
  lab:
    region_name: R1
    auth:
      ${auth}
`;

/** Reads as if nothing but the folder were on this machine. */
function read(
  files: Readonly<Record<string, string>>,
  {env = {}, ...choice}: Partial<CloudChoice> = {},
): ReturnType<typeof readCloud> {
  using folder = new TemporaryFolder(files);
  const {path} = folder;
  const home = {HOME: folder.join('home'), XDG_CONFIG_HOME: folder.join('config')};
  const filled = Object.entries(env).map(
    ([name, value]) => [name, value?.replace('{folder}', path)] as const,
  );
  try {
    return readCloud({projectDir: path, env: {...home, ...Object.fromEntries(filled)}, ...choice});
  } catch (error) {
    const {code, message, hint} = error as FgError;
    throw Object.assign(new Error(message.replaceAll(path, '{folder}')), {
      code,
      ...(hint !== undefined && {hint: hint.replaceAll(path, '{folder}')}),
    });
  }
}

describe('readCloud()', () => {
  it('takes the only cloud of the first clouds.yaml, with the defaults of openstacksdk', () => {
    const {source, ...cloud} = read({'clouds.yaml': lab, 'config/openstack/clouds.yaml': 'clouds: {}'});
    expect(source).toMatch(/^cloud lab of \S+\/clouds\.yaml$/);
    expect(cloud).toEqual({
      authUrl: 'https://lab.example.org:5000/v3',
      login: {
        method: 'password',
        who: {password: {user: {name: 'me', domain: {id: 'default'}}}},
        // Not 123: text stays text.
        secret: '0123',
      },
      scope: {project: {name: 'demo', domain: {id: 'default'}}},
      project: 'project demo',
      region: 'R1',
      interface: 'public',
      isInsecure: false,
    });
  });

  it.each([
    ['{folder}/else.yaml', {'else.yaml': lab, 'clouds.yaml': 'clouds: {other: {}}'}],
    [undefined, {'config/openstack/clouds.yaml': lab}],
    [undefined, {'home/.config/openstack/clouds.yml': lab}],
  ])('finds a file where OpenStack looks for it', (named, files) => {
    const env = named === undefined ? {} : {OS_CLIENT_CONFIG_FILE: named};
    expect(read(files as Record<string, string>, {env}).region).toBe('R1');
  });

  it('merges secure.yaml over it, and takes secrets that neither has from the environment', () => {
    const open = lab.replace('      password: 0123\n', '');
    const secure = 'clouds: {lab: {auth: {password: hidden}}}';
    expect(read({'clouds.yaml': open, 'secure.yaml': secure}).login.secret).toBe('hidden');
    const env = {OS_CLOUD: 'lab', OS_PASSWORD: 'from outside'};
    expect(read({'clouds.yaml': open}, {env}).login.secret).toBe('from outside');
    expect(read({'clouds.yaml': lab}, {env}).login.secret).toBe('0123');
  });

  it('prefers register.cloud, then OS_CLOUD, then the variables', () => {
    const clouds = `${lab}  second: {region_name: R2, auth: {auth_url: "http://two", token: t}}\n`;
    const variables = {OS_AUTH_URL: 'http://three/identity/v2.0/', OS_TOKEN: 'x', OS_REGION_NAME: 'R3'};
    const files = {'clouds.yaml': clouds};
    expect(read(files, {env: {...variables, OS_CLOUD: 'second'}, cloud: 'lab'}).region).toBe('R1');
    expect(read(files, {env: {...variables, OS_CLOUD: 'second'}}).region).toBe('R2');
    expect(read(files, {env: variables})).toMatchObject({
      source: 'OS_*',
      region: 'R3',
      authUrl: 'http://three/identity/v3',
      login: {method: 'token', secret: 'x'},
    });
  });

  it('knows application credentials by id and by name', () => {
    const cloud = (credential: string): string =>
      `clouds: {lab: {auth_type: v3applicationcredential, auth: {auth_url: "http://one/v3/", application_credential_secret: s, ${credential}}}}`;
    const byId = read({'clouds.yaml': cloud('application_credential_id: abc')});
    expect(byId).toMatchObject({
      login: {method: 'application_credential', who: {application_credential: {id: 'abc'}}, secret: 's'},
      project: 'cloud lab',
    });
    expect(byId.scope).toBeUndefined();
    const byName = read({
      'clouds.yaml': cloud('application_credential_name: abc, username: me, user_domain_name: Staff'),
    });
    expect(byName.login.who).toEqual({
      application_credential: {name: 'abc', user: {name: 'me', domain: {name: 'Staff'}}},
    });
  });

  it('follows anchors and merge keys, as clouds.yaml often has them', () => {
    const text = `base: &base {interface: internalURL, verify: false}
clouds: {lab: {<<: *base, auth: {auth_url: "http://one", token: t}}}
`;
    expect(read({'clouds.yaml': text})).toMatchObject({interface: 'internal', isInsecure: true});
  });

  it.each<[string, Record<string, string>, Partial<CloudChoice>, string, string]>([
    [
      'a cloud that is not there',
      {'clouds.yaml': lab},
      {cloud: 'labb'},
      '{folder}/clouds.yaml has no cloud labb',
      'Did you mean lab? It has lab',
    ],
    [
      'no file at all',
      {},
      {cloud: 'lab'},
      'There is no clouds.yaml that could tell about cloud lab',
      'Put one beside fgimage.yaml or into {folder}/config/openstack, or name it with OS_CLIENT_CONFIG_FILE',
    ],
    [
      'nothing at all',
      {},
      {},
      'No OpenStack cloud is named: there is no clouds.yaml, and no OS_AUTH_URL',
      'Write a clouds.yaml, or source the openrc file of your project',
    ],
    [
      'several clouds',
      {'clouds.yaml': 'clouds: {a: {}, b: {}}'},
      {},
      '{folder}/clouds.yaml has several clouds, and none is chosen: a, b',
      'Choose one with register.cloud or OS_CLOUD',
    ],
    [
      'a file that is named and not there',
      {},
      {env: {OS_CLIENT_CONFIG_FILE: '{folder}/none.yaml'}},
      '{folder}/none.yaml is not there',
      'It is named by OS_CLIENT_CONFIG_FILE',
    ],
    [
      'broken YAML',
      {'clouds.yaml': 'clouds:\n  lab: {auth: "secret\n'},
      {},
      '{folder}/clouds.yaml, line 3: this is no YAML',
      'Check its indentation and quotes',
    ],
    [
      'a missing password',
      {'clouds.yaml': lab.replace('      password: 0123\n', '')},
      {},
      'cloud lab of {folder}/clouds.yaml has no password',
      'Write it under auth: in that file or, if it is a secret, in secure.yaml beside it',
    ],
    [
      'a missing variable',
      {},
      {env: {OS_AUTH_URL: 'http://one', OS_PASSWORD: 'x'}},
      'OS_* has no username',
      'Set OS_USERNAME, or source the openrc file of your project',
    ],
    [
      'an address that is none',
      {'clouds.yaml': lab.replace('https://', '')},
      {},
      'auth_url of cloud lab of {folder}/clouds.yaml is no web address: lab.example.org:5000',
      'Write it as https://cloud.example.org:5000/v3',
    ],
    [
      'a login that fgimage does not know',
      {'clouds.yaml': lab.replace('region_name: R1', 'auth_type: v3oidcpassword')},
      {},
      'cloud lab of {folder}/clouds.yaml has auth_type v3oidcpassword, which fgimage does not know',
      'Use password, v3applicationcredential or token; for other logins, make an application credential: openstack application credential create fgimage',
    ],
    [
      'a vendor profile',
      {'clouds.yaml': 'clouds: {lab: {profile: vendor, auth: {username: me}}}'},
      {},
      'cloud lab of {folder}/clouds.yaml takes its auth_url from the vendor profile vendor, which fgimage does not know',
      'Write auth_url and region_name into the cloud itself',
    ],
    [
      'a bundle that holds no certificate',
      {'clouds.yaml': lab.replace('region_name: R1', 'cacert: ca.pem'), 'ca.pem': 'nothing'},
      {},
      'cacert of cloud lab of {folder}/clouds.yaml holds no certificate: {folder}/ca.pem',
      'It has to be a bundle of certificates in PEM form',
    ],
    [
      'an interface that is none',
      {'clouds.yaml': lab.replace('region_name: R1', 'interface: outer')},
      {},
      'interface of cloud lab of {folder}/clouds.yaml is outer',
      'Use public, internal or admin',
    ],
  ])('says what is wrong: %s', (_what, files, choice, message, hint) => {
    let thrown: unknown;
    try {
      read(files, choice);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({code: 'CREDENTIALS_MISSING', message, hint});
  });
});
