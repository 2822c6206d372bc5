import {execFileSync} from 'node:child_process';
import {XMLParser} from 'fast-xml-parser';
import {describe, expect, it} from 'vitest';
import type {Answer, AnswerTo} from '../../../src/stages/test/metadata.ts';
import {azureMetadata} from '../../../src/stages/test/platforms/azure.ts';
import {imdsV2} from '../../../src/stages/test/platforms/ec2.ts';
import {findPlatform} from '../../../src/stages/test/platforms/find.ts';
import {contextScript} from '../../../src/stages/test/platforms/opennebula.ts';
import type {Instance} from '../../../src/stages/test/platforms/platform.ts';
import type {Platform} from '../../../targets/contract.ts';

const names: readonly Platform[] = [
  'nocloud',
  'openstack',
  'config-drive',
  'ec2',
  'eucalyptus',
  'opennebula',
  'nimbus',
  'azure',
  'gcp',
  'vmware',
];

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAwI4o4AqCGqSR6ISBgPpzZ15kuFI1cSt4qJralB5MGf fgimage';

function instanceOf(platform: Platform): Instance {
  return {
    id: '0123456789abcdef0',
    architecture: 'amd64',
    hostName: 'fgi-01234567',
    publicKey: key,
    macAddress: '52:54:00:01:23:45',
    network: findPlatform(platform).network,
    userData: "#cloud-boothook\necho 'it\\'s <&> \"so\"'\n",
    startScript: "#!/bin/sh\necho 'it'\n",
  };
}

function surroundingsOf(platform: Platform) {
  return findPlatform(platform).surroundings(instanceOf(platform));
}

interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function ask(answer: AnswerTo, url: string, {method = 'GET', headers = {}}: Question = {}): Answer {
  const [path = '', query = ''] = url.split('?');
  return answer({method, path, query: new URLSearchParams(query), headers});
}

function serviceOf(platform: Platform, address = '169.254.169.254'): AnswerTo {
  const service = surroundingsOf(platform).services?.find((one) => one.address === address);
  if (service === undefined) throw new Error(`${platform} has no service at ${address}`);
  return service.answer;
}

function body(answer: AnswerTo, url: string, question?: Question): string {
  const {status, body: text} = ask(answer, url, question);
  expect(status, url).toBe(200);
  return text ?? '';
}

describe('every platform', () => {
  it.each(names)('%s gives the instance its key, its name and its user data somewhere', (name) => {
    const instance = instanceOf(name);
    const everything = [
      ...(surroundingsOf(name).discs ?? []).flatMap(({files}) => Object.values(files)),
      ...(surroundingsOf(name).injected ?? []).map(({content}) => content),
      surroundingsOf(name).dhcpHostName ?? '',
      ...(surroundingsOf(name).services ?? []).flatMap(({answer}) => [
        ask(answer, '/openstack/latest/meta_data.json').body ?? '',
        ask(answer, '/latest/meta-data/public-keys/0/openssh-key').body ?? '',
        ask(answer, '/latest/meta-data/local-hostname').body ?? '',
        ask(answer, '/latest/user-data').body ?? '',
        ask(answer, '/openstack/latest/user_data').body ?? '',
        ask(answer, '/computeMetadata/v1/?recursive=true', {headers: {'metadata-flavor': 'Google'}}).body ??
          '',
      ]),
      ...(name === 'ec2' ? Object.values(nitro()) : []),
    ].join('\n');
    expect(everything).toContain(key.split(' ')[1]);
    expect(everything).toContain(instance.hostName);
    const base64 = Buffer.from(instance.userData).toString('base64');
    const wanted = name === 'nimbus' ? instance.startScript : instance.userData;
    expect(
      [wanted, base64, JSON.stringify(wanted).slice(1, -1)].some((text) => everything.includes(text)),
    ).toBe(true);
  });

  it.each(names)('%s forwards services of addresses in its network only', (name) => {
    const {range, host, guest} = findPlatform(name).network;
    const [base = '', prefix = ''] = range.split('/');
    const shift = 2 ** (32 - Number(prefix));
    const networkOf = (address: string): number =>
      Math.floor(address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) / shift);
    for (const address of [host, guest, ...(surroundingsOf(name).services ?? []).map((one) => one.address)])
      expect(networkOf(address), address).toBe(networkOf(base));
  });
});

function nitro(): Record<string, string> {
  const service = serviceOf('ec2');
  const token = ask(service, '/latest/api/token', {
    method: 'PUT',
    headers: {'x-aws-ec2-metadata-token-ttl-seconds': '60'},
  }).body;
  const headers = {'x-aws-ec2-metadata-token': token ?? ''};
  const paths = ['user-data', 'meta-data/hostname', 'meta-data/public-keys/0/openssh-key'];
  return Object.fromEntries(paths.map((path) => [path, body(service, `/latest/${path}`, {headers})]));
}

describe('openstack', () => {
  it('serves the documents of Nova under each version, and those of EC2', () => {
    const service = serviceOf('openstack');
    expect(body(service, '/openstack').split('\n')).toContain('2018-08-27');
    expect(body(service, '/openstack/latest/').split('\n')).toEqual([
      'meta_data.json',
      'network_data.json',
      'vendor_data.json',
      'vendor_data2.json',
      'user_data',
    ]);
    expect(JSON.parse(body(service, '/openstack/2018-08-27/meta_data.json'))).toMatchObject({
      uuid: '01234567-89ab-4def-8000-000000000000',
      hostname: 'fgi-01234567.novalocal',
      public_keys: {fgimage: `${key}\n`},
    });
    expect(JSON.parse(body(service, '/openstack/latest/network_data.json'))).toMatchObject({
      links: [{ethernet_mac_address: '52:54:00:01:23:45'}],
      networks: [{type: 'ipv4_dhcp'}],
    });
    expect(body(service, '/2009-04-04/meta-data/public-keys/')).toBe('0=fgimage');
  });

  it.each([
    '/openstack/2099-01-01/meta_data.json',
    '/openstack/latest/constructor',
    '/1999-01-01/meta-data/',
  ])('has no %s', (path) => {
    expect(ask(serviceOf('openstack'), path).status).toBe(404);
  });

  it('says that it is Nova, with the UUID of the instance', () => {
    expect(surroundingsOf('openstack').smbios).toMatchObject([
      {type: 1, values: {product: 'OpenStack Nova', uuid: '01234567-89ab-4def-8000-000000000000'}},
    ]);
  });

  it('has a config drive that tells a static address', () => {
    const {discs = [], services} = surroundingsOf('config-drive');
    expect(services).toBeUndefined();
    expect(discs.map(({label}) => label)).toEqual(['config-2']);
    expect(Object.keys(discs[0]?.files ?? {})).toContain('openstack/latest/meta_data.json');
    const network: unknown = JSON.parse(discs[0]?.files['openstack/latest/network_data.json'] ?? '');
    expect(network).toMatchObject({
      networks: [{type: 'ipv4', ip_address: '10.0.2.15', netmask: '255.255.255.0'}],
    });
  });
});

describe('ec2', () => {
  const put = (headers: Readonly<Record<string, string>>): Question => ({method: 'PUT', headers});
  const lifetime = 'x-aws-ec2-metadata-token-ttl-seconds';

  it('tells nothing without a token, and with a token of its own until that is over', () => {
    let now = 1000;
    const service = imdsV2(instanceOf('ec2'), () => now);
    expect(ask(service, '/latest/meta-data/').status).toBe(401);
    expect(ask(service, '/latest/meta-data/', {headers: {'x-aws-ec2-metadata-token': 'x'}}).status).toBe(401);
    const given = ask(service, '/latest/api/token', put({[lifetime]: '10'}));
    expect(given).toMatchObject({status: 200, headers: {[lifetime]: '10'}});
    const headers = {'x-aws-ec2-metadata-token': given.body ?? ''};
    expect(body(service, '/latest/meta-data/instance-id', {headers})).toBe('i-0123456789abcdef0');
    now += 10_000;
    expect(ask(service, '/latest/meta-data/instance-id', {headers}).status).toBe(401);
  });

  it.each([
    ['no lifetime', put({}), 400],
    ['a lifetime of 0', put({[lifetime]: '0'}), 400],
    ['a lifetime of more than six hours', put({[lifetime]: '21601'}), 400],
    ['a proxy between', put({[lifetime]: '60', 'x-forwarded-for': '192.0.2.1'}), 403],
    ['GET', {headers: {[lifetime]: '60'}}, 405],
  ])('gives no token for %s', (_what, question, status) => {
    expect(ask(imdsV2(instanceOf('ec2')), '/latest/api/token', question).status).toBe(status);
  });

  it('lists folders as EC2 does, and has the identity document', () => {
    const service = imdsV2(instanceOf('ec2'));
    const headers = {
      'x-aws-ec2-metadata-token': ask(service, '/latest/api/token', put({[lifetime]: '60'})).body ?? '',
    };
    const read = (path: string): string => body(service, path, {headers});
    expect(read('/latest/meta-data/').split('\n')).toEqual(
      expect.arrayContaining(['instance-id', 'network/', 'placement/', 'public-keys/']),
    );
    expect(read('/2021-03-23/meta-data/network/interfaces/macs/')).toBe('52:54:00:01:23:45/');
    expect(JSON.parse(read('/latest/dynamic/instance-identity/document'))).toMatchObject({
      instanceId: 'i-0123456789abcdef0',
    });
    expect(ask(service, '/latest/meta-data/none', {headers}).status).toBe(404);
    expect(ask(service, '/latest/meta-data/instance-id/none', {headers}).status).toBe(404);
  });

  it.each([
    ['amd64', 'x86_64', 'm5.large'],
    ['arm64', 'arm64', 'm6g.large'],
  ] as const)('tells a machine of %s what it is', (architecture, told, type) => {
    const instance = {...instanceOf('ec2'), architecture};
    const service = imdsV2(instance);
    const headers = {
      'x-aws-ec2-metadata-token': ask(service, '/latest/api/token', put({[lifetime]: '60'})).body ?? '',
    };
    const read = (path: string): string => body(service, path, {headers});
    expect(JSON.parse(read('/latest/dynamic/instance-identity/document'))).toMatchObject({
      architecture: told,
      instanceType: type,
    });
    expect(read('/latest/meta-data/instance-type')).toBe(type);
    const system = findPlatform('ec2')
      .surroundings(instance)
      .smbios?.find((table) => table.type === 1);
    expect(system?.values).toMatchObject({product: type});
  });

  it('has a UUID that begins with ec2 and is the serial number too', () => {
    const system = surroundingsOf('ec2').smbios?.find(({type}) => type === 1)?.values;
    expect(system?.['uuid']).toMatch(/^ec2[0-9a-f]{5}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(system?.['serial']).toBe(system?.['uuid']);
  });

  it('is without tokens on Eucalyptus, and without a sign of whose machine it is', () => {
    const service = serviceOf('eucalyptus');
    expect(ask(service, '/latest/api/token', put({[lifetime]: '60'})).status).toBe(405);
    expect(body(service, '/2009-04-04/meta-data/instance-id')).toBe('i-0123456789abcdef0');
    expect(surroundingsOf('eucalyptus').smbios).toBeUndefined();
  });
});

describe('opennebula', () => {
  it('quotes values so that a shell reads them back as they were', () => {
    const variables = {A: 'plain', B: "it's 'so'", C: 'two\nlines', D: '$HOME `id` "x" \\'};
    const script = `${contextScript(variables)}printf '%s\\0' "$A" "$B" "$C" "$D"`;
    const read = execFileSync('sh', ['-c', script], {encoding: 'utf8'}).split('\0').slice(0, -1);
    expect(read).toEqual(Object.values(variables));
  });

  it('has a disc CONTEXT with the address and no DHCP needed', () => {
    const {discs = [], address} = surroundingsOf('opennebula');
    expect(discs.map(({label}) => label)).toEqual(['CONTEXT']);
    const script = discs[0]?.files['context.sh'] ?? '';
    expect(address).not.toBe(findPlatform('opennebula').network.guest);
    expect(script).toContain(`ETH0_IP='${address ?? ''}'\n`);
    expect(script).toContain("ETH0_MAC='52:54:00:01:23:45'\n");
    expect(script).toContain("NETWORK='YES'\n");
  });
});

describe('nimbus', () => {
  it('writes the key and the address of its metadata server into the disk', () => {
    expect(surroundingsOf('nimbus').injected).toEqual([
      {path: '/root/.ssh/authorized_keys', content: `${key}\n`, mode: 0o600},
      {path: '/var/nimbus-metadata-server-url', content: 'http://169.254.169.254:8080\n', mode: 0o644},
    ]);
    expect(findPlatform('nimbus').keyOwner).toBe('root');
  });
});

describe('azure', () => {
  const imds = azureMetadata(instanceOf('azure'));
  const headers = {metadata: 'true'};

  it.each([
    ['without its header', '/metadata/instance?api-version=2021-08-01', {}, 400],
    ['without a version', '/metadata/instance', {headers}, 400],
    ['of a version before the first', '/metadata/instance?api-version=2016-01-01', {headers}, 400],
    ['of what is not there', '/metadata/none?api-version=2021-08-01', {headers}, 404],
  ])('answers no request %s', (_what, url, question, status) => {
    expect(ask(imds, url, question).status).toBe(status);
  });

  it('tells the key and the MAC address in its own spelling', () => {
    expect(JSON.parse(body(imds, '/metadata/instance?api-version=2021-08-01', {headers}))).toMatchObject({
      compute: {osProfile: {computerName: 'fgi-01234567'}, publicKeys: [{keyData: key}]},
      network: {interface: [{macAddress: '525400012345'}]},
    });
  });

  it('has an ovf-env.xml whose custom data are the user data', () => {
    const [disc] = surroundingsOf('azure').discs ?? [];
    expect(disc?.label).toMatch(/^rd_rdfe_/);
    const parser = new XMLParser({removeNSPrefix: true, parseTagValue: false});
    const {Environment} = parser.parse(disc?.files['ovf-env.xml'] ?? '') as {
      Environment: {ProvisioningSection: {LinuxProvisioningConfigurationSet: Record<string, string>}};
    };
    const set = Environment.ProvisioningSection.LinuxProvisioningConfigurationSet;
    expect(set['HostName']).toBe('fgi-01234567');
    expect(Buffer.from(set['CustomData'] ?? '', 'base64').toString()).toBe(instanceOf('azure').userData);
  });

  it('has a wire server with a goal state that takes reports', () => {
    const wire = serviceOf('azure', '168.63.129.16');
    expect(body(wire, '/machine/?comp=goalstate')).toContain('<Incarnation>1</Incarnation>');
    expect(ask(wire, '/machine?comp=health', {method: 'POST'}).status).toBe(200);
    expect(ask(wire, '/machine/?comp=none').status).toBe(404);
  });
});

describe('gcp', () => {
  const service = serviceOf('gcp');
  const headers = {'metadata-flavor': 'Google'};

  it('tells nothing without its header or through a proxy', () => {
    const url = '/computeMetadata/v1/instance/id';
    expect(ask(service, url).status).toBe(403);
    expect(ask(service, url, {headers: {...headers, 'x-forwarded-for': '192.0.2.1'}}).status).toBe(403);
    expect(body(service, url, {headers})).toMatch(/^\d+$/);
  });

  it('gives folders as lists, or whole as JSON', () => {
    expect(body(service, '/computeMetadata/v1/', {headers})).toBe('instance/\nproject/\n');
    expect(
      JSON.parse(body(service, '/computeMetadata/v1/instance/attributes/?recursive=True', {headers})),
    ).toMatchObject({'ssh-keys': `cloudinit:${key}`, 'user-data': instanceOf('gcp').userData});
    expect(body(service, '/computeMetadata/v1/instance/network-interfaces/0/mac', {headers})).toBe(
      '52:54:00:01:23:45',
    );
    expect(ask(service, '/computeMetadata/v1/instance/none', {headers}).status).toBe(404);
    expect(ask(service, '/computeMetadata/v10/instance/id', {headers}).status).toBe(404);
  });
});

describe('vmware', () => {
  it('has an OVF environment with the properties that cloud-init reads', () => {
    const [disc] = surroundingsOf('vmware').discs ?? [];
    const parser = new XMLParser({removeNSPrefix: true, ignoreAttributes: false, attributeNamePrefix: ''});
    const {Environment} = parser.parse(disc?.files['ovf-env.xml'] ?? '') as {
      Environment: {PropertySection: {Property: {key: string; value: string}[]}};
    };
    const properties = Object.fromEntries(
      Environment.PropertySection.Property.map(({key: name, value}) => [name, value]),
    );
    expect(properties).toEqual({
      'instance-id': 'fgimage-0123456789abcdef0',
      hostname: 'fgi-01234567',
      'public-keys': key,
      'user-data': Buffer.from(instanceOf('vmware').userData).toString('base64'),
    });
  });
});
