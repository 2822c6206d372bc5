import {describe, expect, it} from 'vitest';
import {parseXml} from '../../../src/clients/xml.ts';
import type {JsonObject} from '../../../src/spec/image.ts';
import {flagsOf, readImages, writeTemplate} from '../../../targets/opennebula/documents.ts';
import {target} from '../../../targets/opennebula/index.ts';
import {errorText, remoteImage} from '../../../targets/opennebula/properties.ts';
import {registerSettings} from '../../../targets/opennebula/register-settings.ts';
import {schema} from '../../../targets/opennebula/schema.ts';
import {
  vmTemplateEntries,
  vmTemplateWord,
  type WantedVmTemplate,
} from '../../../targets/opennebula/vm-template.ts';
import {image} from '../../rig/images.ts';

const parsed = (options: JsonObject = {}): JsonObject => schema.parse(options);

describe('adapt()', () => {
  it('brings a script of its own that reads the CONTEXT disk, and no cloud-init', () => {
    const {packages, files, services} = target.adapt(image(), parsed());
    expect(packages).not.toContain('cloud-init');
    expect(services.enable).toEqual([
      'systemd-networkd.service',
      'chrony.service',
      'ssh.service',
      'fgimage-context.service',
      'fgimage-context-scripts.service',
      'fgimage-ssh-host-keys.service',
    ]);
    expect(files.map(({path, permissions}) => `${permissions} ${path}`)).toMatchInlineSnapshot(`
      [
        "0644 /etc/systemd/network/90-fgimage-ethernet.network",
        "0644 /etc/systemd/system/systemd-networkd-wait-online.service.d/10-fgimage.conf",
        "0644 /etc/ssh/sshd_config.d/10-fgimage.conf",
        "0644 /etc/default/grub.d/50-fgimage.cfg",
        "0644 /etc/grub.d/enable_cloud",
        "0755 /usr/lib/fgimage-context/context.sh",
        "0644 /usr/lib/fgimage-context/context.awk",
        "0644 /etc/systemd/system/fgimage-context.service",
        "0644 /etc/systemd/system/fgimage-context-scripts.service",
        "0644 /etc/systemd/system/fgimage-ssh-host-keys.service",
      ]
    `);
  });

  it('takes the package one-context instead, whose network files come before the one for any interface', () => {
    const {packages, files} = target.adapt(image(), parsed({context: 'one-context'}));
    expect(packages).toContain('one-context');
    expect(packages).not.toContain('cloud-init');
    const networks = files.map(({path}) => path).filter((path) => path.endsWith('.network'));
    expect(networks).toEqual(['/etc/systemd/network/zz-fgimage-ethernet.network']);
    expect([...networks, '/etc/systemd/network/ens3.network'].sort().at(-1)).toBe(networks[0]);
    expect(files.filter(({content}) => content.includes('NETCFG_TYPE=networkd'))).toHaveLength(3);
  });

  it('takes cloud-init instead, with its data source for OpenNebula', () => {
    const {packages, files} = target.adapt(image(), parsed({context: 'cloud-init'}));
    expect(packages).toContain('cloud-init');
    expect(packages).toContain('sudo');
    const [config] = files.filter(({path}) => path.endsWith('90-fgimage.cfg'));
    expect(config?.content).toContain('datasource_list: [OpenNebula, None]');
  });

  it('is booted with a CONTEXT disk under both firmwares', () => {
    expect(target.boot(image(), parsed())).toMatchObject([
      {firmware: 'bios', platform: 'opennebula'},
      {firmware: 'uefi', platform: 'opennebula'},
    ]);
  });
});

describe('the options', () => {
  it.each<[string, JsonObject, string]>([
    ['two ways for the disk', {path: '/var/tmp', serve: '10.0.0.1'}, 'path and serve exclude each other'],
    ['an attribute of fgimage', {attributes: {FGIMAGE_DIGEST: 'x'}}, 'is an attribute that fgimage writes'],
    [
      'an attribute that is another image',
      {attributes: {SOURCE: '/x'}},
      'is an attribute that fgimage writes',
    ],
    ['an attribute that is none', {attributes: {'A="B"': 'x'}}, 'is not the name of an attribute'],
    ['a value of two lines', {attributes: {A: 'x\nB=y'}}, 'is not one line of text'],
    ['a mode that is none', {permissions: '648'}, 'is not a mode of three digits'],
    ['a label with a comma', {labels: ['a,b']}, 'is not a label'],
    ['a folder that a shell would split', {path: "/var/tmp/a'b"}, 'is not an absolute path'],
    ['an endpoint that is none', {endpoint: 'localhost:2634'}, 'endpoint'],
  ])('refuse %s', (_what, register, message) => {
    const result = schema.safeParse({register});
    expect(JSON.stringify(result.error?.issues)).toContain(message);
  });

  it.each([
    ['192.0.2.1', {host: '192.0.2.1', port: 0}],
    ['192.0.2.1:8080', {host: '192.0.2.1', port: 8080}],
    ['[2001:db8::1]:8080', {host: '2001:db8::1', port: 8080}],
    ['one.example.org', {host: 'one.example.org', port: 0}],
  ])('read serve: %s', (serve, at) => {
    expect(registerSettings(parsed({register: {serve}})).transfer).toEqual({kind: 'serve', ...at});
  });
});

describe('writeTemplate()', () => {
  it.each(['"', '\\', 'a\\"\nX="y', ']', '<X>y</X>', ']]>', "$USER[NAME] '", 'a\r\nb'])(
    'keeps %j one value',
    (value) => {
      const root = parseXml(
        writeTemplate([
          ['NAME', value],
          ['DISK', {IMAGE: value}],
        ]),
      );
      expect(root.children).toEqual([
        {name: 'NAME', text: value, children: []},
        {name: 'DISK', text: '', children: [{name: 'IMAGE', text: value, children: []}]},
      ]);
    },
  );

  it('refuses a name that is none', () => {
    expect(() => writeTemplate([['A><B', 'x']])).toThrow('Not the name of an attribute');
  });
});

describe('flagsOf()', () => {
  it.each([
    ['640', [1, 1, 0, 1, 0, 0, 0, 0, 0]],
    ['777', [1, 1, 1, 1, 1, 1, 1, 1, 1]],
    ['401', [1, 0, 0, 0, 0, 0, 0, 0, 1]],
  ])('reads %s as use, manage and administer of owner, group and others', (mode, flags) => {
    expect(flagsOf(mode)).toEqual(flags);
  });
});

describe('readImages()', () => {
  const pool = (
    state: number,
    template = '',
  ): string => `<IMAGE_POOL><IMAGE><ID>7</ID><UID>2</UID><GID>1</GID><UNAME>al</UNAME><GNAME>users</GNAME><NAME>web</NAME>
    <PERMISSIONS><OWNER_U>1</OWNER_U><OWNER_M>1</OWNER_M><OWNER_A>0</OWNER_A><GROUP_U>1</GROUP_U><GROUP_M>0</GROUP_M><GROUP_A>0</GROUP_A><OTHER_U>0</OTHER_U><OTHER_M>0</OTHER_M><OTHER_A>0</OTHER_A></PERMISSIONS>
    <TYPE>0</TYPE><PERSISTENT>0</PERSISTENT><REGTIME>1700000000</REGTIME><PATH><![CDATA[/var/tmp/a&b]]></PATH><SIZE>5120</SIZE><STATE>${state}</STATE>
    <TEMPLATE><DEV_PREFIX><![CDATA[vd]]></DEV_PREFIX>${template}<VEC><A>1</A></VEC></TEMPLATE></IMAGE></IMAGE_POOL>`;

  it('reads what the server writes, with text in CDATA and vectors left', () => {
    expect(readImages(pool(1))).toEqual([
      {
        id: 7,
        name: 'web',
        ownerId: 2,
        owner: 'al',
        groupId: 1,
        group: 'users',
        mode: '640',
        registeredAt: 1_700_000_000,
        attributes: {DEV_PREFIX: 'vd'},
        state: 'READY',
        isPersistent: false,
        path: '/var/tmp/a&b',
        sizeMiB: 5120,
      },
    ]);
    expect(readImages('<IMAGE_POOL/>')).toEqual([]);
  });

  it('refuses what is no number, and another document', () => {
    expect(() => readImages(pool(1).replace('5120', '5 GB'))).toThrow(
      'SIZE of a IMAGE of OpenNebula is no number',
    );
    expect(() => readImages('<VM_POOL/>')).toThrow('OpenNebula gives a VM_POOL for a IMAGE_POOL');
  });

  it.each([
    [0, 'pending', undefined],
    [1, 'ready', undefined],
    [2, 'ready', undefined],
    [3, 'broken', 'it was disabled'],
    [4, 'pending', undefined],
    [5, 'broken', 'Error copying image in the datastore: no'],
    [7, 'broken', 'it is being deleted'],
    [8, 'ready', undefined],
    [99, 'broken', undefined],
  ])('takes state %i for %s', (state, health, reason) => {
    const error =
      '<ERROR><![CDATA[Sun Nov 22 15:40:19 2026 : Error copying image in the datastore: no]]></ERROR>';
    const [found] = readImages(pool(state, error));
    expect(remoteImage(found!, {})).toMatchObject({health, ...(reason === undefined ? {} : {reason})});
  });

  it('says when there is no reason', () => {
    expect(errorText(undefined)).toBe('OpenNebula does not say why');
  });
});

describe('vmTemplateWord()', () => {
  const settings = registerSettings(parsed({register: {template: {}}})).template!;
  const wanted: WantedVmTemplate = {
    name: 'web',
    settings,
    devPrefix: 'vd',
    needsUefi: false,
    architecture: 'amd64',
    mark: {digest: 'd', lineage: 'a/b/c'},
  };

  it('changes with each thing that the template says', () => {
    const others: readonly Partial<WantedVmTemplate>[] = [
      {name: 'other'},
      {devPrefix: 'sd'},
      {description: 'x'},
      {needsUefi: true},
      {settings: {...settings, cpu: 2}},
      {settings: {...settings, networks: [{name: 'a'}]}},
      {settings: {...settings, context: {A: 'b'}}},
      {settings: {...settings, hasGraphics: false}},
    ];
    const words = [{}, ...others].map((other) => vmTemplateWord({...wanted, ...other}));
    expect(new Set(words).size).toBe(words.length);
    expect(vmTemplateWord(wanted)).toBe(words[0]);
  });

  it('asks for UEFI where the disk boots under nothing else', () => {
    const os = (needsUefi: boolean): unknown =>
      vmTemplateEntries({...wanted, needsUefi}, 1).find(([name]) => name === 'OS')?.[1];
    expect(os(true)).toEqual({ARCH: 'x86_64', FIRMWARE: 'UEFI'});
    expect(os(false)).toEqual({ARCH: 'x86_64'});
  });
});
