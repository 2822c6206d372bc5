import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import type {Inventory} from '../../src/inventory/inventory.ts';
import {CommandLog} from '../../src/sandbox/process.ts';
import {cleanEnvironment, runInSandbox} from '../../src/sandbox/sandbox.ts';
import {cyclonedxCheck, spdxCheck, spdxLicenceIds} from '../unit/inventory/schemas.ts';
import {brokenSpdxRules, type SpdxDocument} from '../unit/inventory/spdx-rules.ts';
import {type BuildResult, Project} from './real-build.ts';

const secret =
  '$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/';
const spec = `version: 1
name: told
os: {distribution: debian, release: bookworm}
packages: [less]
users:
  - {name: alice, uid: 1600, hashed_passwd: "${secret}", lock_passwd: false}
write_files:
  - {path: /opt/own tool, content: "#!/bin/sh\\n", permissions: "4755"}
  - {path: /etc/login.defs, content: "# mine\\n"}
  - {path: /srv/site/key.pem, content: "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04f\\n", permissions: "0600"}
services: {mask: [apt-daily.timer]}
targets:
  hpc: {}
`;

const project = new Project('sbom');
const folder = 'artifacts/told/hpc';
let built: BuildResult;
let inventory: Inventory;

beforeAll(async () => {
  project.sharePackages();
  project.write({'fgimage.yaml': spec});
  built = await project.build(['--no-test']);
  expect(built.told.trim()).toBe('');
  project.keepPackages();
  inventory = project.json(`${folder}/inventory.json`) as Inventory;
});

/** What a command prints in the tree of the image, line by line. */
async function inImage(...command: readonly [string, ...string[]]): Promise<readonly string[]> {
  const digests = built.digests();
  const layers = Object.keys(digests).filter((stage) => /^(?:base|customize|adapt):/.test(stage));
  const merged = join(project.folder, 'look');
  mkdirSync(merged, {recursive: true});
  const log = new CommandLog(join(project.folder, 'look.log'), () => undefined);
  const lines: string[] = [];
  const outcome = await runInSandbox({
    base: project.cache,
    lowers: layers.reverse().map((stage) => `objects/${digests[stage] ?? ''}/tree`),
    mountPoint: '../look',
    inside: 'image',
    command,
    env: cleanEnvironment,
    log,
    signal: new AbortController().signal,
    onLine: (line) => {
      lines.push(line);
      return true;
    },
  });
  expect(outcome.exitCode, log.lastLines.join('\n')).toBe(0);
  return lines;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

describe('the documents of an image', () => {
  it('are valid, and what the manifest says', () => {
    const spdx = project.json(`${folder}/sbom.spdx.json`) as SpdxDocument;
    expect(spdxCheck()(spdx)).toEqual([]);
    expect(brokenSpdxRules(spdx, spdxLicenceIds())).toEqual([]);
    expect(cyclonedxCheck()(project.json(`${folder}/sbom.cdx.json`))).toEqual([]);
    const {documents} = project.json(`${folder}/manifest.json`) as {
      documents: readonly {path: string; sha256: string}[];
    };
    const names = ['inventory.json', 'sbom.cdx.json', 'sbom.spdx.json'];
    expect(documents.map(({path}) => path)).toEqual(expect.arrayContaining(names));
    for (const {path, sha256: told} of documents) expect(sha256(project.read(join(folder, path)))).toBe(told);
  });

  it('name the packages that dpkg-query names, no more and no less', async () => {
    const query = await inImage(
      'dpkg-query',
      '-W',
      '-f',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the fields are dpkg-query's own.
      '${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\\n',
    );
    const expected = query
      .filter((line) => line.startsWith('installed '))
      .map((line) => line.slice('installed '.length))
      .sort();
    expect(expected.length).toBeGreaterThan(120);
    const told = inventory.packages.map(
      ({name, version, architecture, source}) =>
        `${name} ${version} ${architecture} ${source.name} ${source.version}`,
    );
    expect([...told].sort()).toEqual(expected);

    const short = expected.map((line) => line.split(' ').slice(0, 3).join(' '));
    const {components} = project.json(`${folder}/sbom.cdx.json`) as {
      components: readonly {
        type: string;
        name: string;
        version: string;
        properties?: readonly {name: string; value: string}[];
      }[];
    };
    const architectureOf = (component: (typeof components)[number]): string =>
      component.properties?.find(({name}) => name === 'fgimage:deb:architecture')?.value ?? '';
    expect(
      components
        .filter(({type}) => type === 'library')
        .map((one) => `${one.name} ${one.version} ${architectureOf(one)}`)
        .sort(),
    ).toEqual(short);
    const {packages} = project.json(`${folder}/sbom.spdx.json`) as SpdxDocument;
    expect(
      packages
        .filter(({SPDXID}) => SPDXID.startsWith('SPDXRef-Package-'))
        .map(
          ({SPDXID, name, versionInfo}) => `${name} ${versionInfo ?? ''} ${SPDXID.split('-').at(-1) ?? ''}`,
        )
        .sort(),
    ).toEqual(short);
  });

  it('tell of every package the .deb that it came from, as the cache of packages has it', () => {
    expect(inventory.packages.filter(({deb}) => deb === undefined)).toEqual([]);
    const less = inventory.packages.find(({name}) => name === 'less');
    expect(less).toMatchObject({
      architecture: 'amd64',
      essential: false,
      licences: expect.anything() as unknown,
    });
    const name = (less?.deb?.path ?? '').split('/').at(-1) ?? '';
    const deb = readFileSync(join(project.cache, 'packages', name));
    expect(createHash('sha256').update(deb).digest('hex')).toBe(less?.deb?.sha256);
    expect(less?.depends).toEqual(['libc6', 'libtinfo6']);
  });

  it('tell files that no package brought, and what the sandbox lays over a tree not', async () => {
    const own = inventory.files.unowned.find(({path}) => path === '/opt/own tool');
    expect(own).toMatchObject({mode: '4755', uid: 0, gid: 0, size_bytes: 10, sha256: sha256('#!/bin/sh\n')});
    const paths = inventory.files.unowned.map(({path}) => path);
    expect(paths).toEqual(expect.arrayContaining(['/etc/passwd', '/etc/hosts', '/home/alice/.bashrc']));
    expect(paths).not.toContain('/usr/sbin/policy-rc.d');
    // With a merged /usr, dpkg's lists name most programs in /bin; these are not among those of nobody.
    expect(paths.filter((path) => path.startsWith('/usr/bin/'))).toEqual([]);
    expect(inventory.files.changed).toEqual([
      {path: '/etc/login.defs', package: 'login', state: 'changed', sha256: sha256('# mine\n')},
    ]);
    const setuid = await inImage('find', '/', '-xdev', '-type', 'f', '-perm', '/6000', '-printf', '%m %p\\n');
    expect(inventory.setuid.map(({mode, path}) => `${mode} ${path}`).sort()).toEqual([...setuid].sort());
    expect(inventory.setuid.filter(({owned}) => !owned).map(({path}) => path)).toEqual(['/opt/own tool']);
  });

  it('tell users, units and the kernel, and no hash of a password', async () => {
    expect(inventory.users.find(({name}) => name === 'alice')).toMatchObject({uid: 1600, password: 'hash'});
    expect(inventory.users.find(({name}) => name === 'root')).toMatchObject({uid: 0, password: 'locked'});
    expect(inventory.users).toHaveLength((await inImage('cat', '/etc/passwd')).length);
    expect(inventory.groups).toHaveLength((await inImage('cat', '/etc/group')).length);
    for (const name of ['inventory.json', 'sbom.spdx.json', 'sbom.cdx.json'])
      expect(project.read(join(folder, name))).not.toContain('$6$');
    const listed = await inImage('systemctl', '--root=/', '--no-legend', '--no-pager', 'list-unit-files');
    const states = new Map(listed.map((line) => line.split(/\s+/) as [string, string]));
    const told = new Map(inventory.units.map(({name, state}) => [name, state]));
    expect(told.get('apt-daily.timer')).toBe('masked');
    expect(told.get('ssh.service')).toBe('enabled');
    const judged = [...states].filter(([, state]) => ['enabled', 'disabled', 'masked'].includes(state));
    expect(judged.length).toBeGreaterThan(20);
    expect(Object.fromEntries(judged.map(([name]) => [name, told.get(name)]))).toEqual(
      Object.fromEntries(judged),
    );
    expect(inventory.kernels).toEqual(await inImage('sh', '-c', 'ls /lib/modules'));
    expect(inventory.os).toMatchObject({id: 'debian', version_id: '12', architecture: 'amd64'});
  });

  it('come out the same when they are made again', async () => {
    const first = built.digests()['sbom:told/hpc'];
    const again = await project.build(['--no-test', '--force', 'sbom']);
    expect(again.stages('stage-finished')).toEqual(['sbom:told/hpc']);
    expect(again.digests()['sbom:told/hpc']).toBe(first);
  });
});

describe('fgimage vet', () => {
  it('finds what was planted in the tree of a whole image, and nothing else', async () => {
    const running = project.start(['vet', 'told', '--json']);
    expect(await running.end, running.stderr).toBe(1);
    const {images} = JSON.parse(running.stdout) as {
      images: readonly {may_be_registered: boolean; findings: readonly object[]}[];
    };
    expect(images).toMatchObject([
      {
        may_be_registered: false,
        findings: [
          {
            ...{check: 'private-keys', severity: 'high', path: '/srv/site/key.pem', ruling: 'refused'},
            detail: 'a private key (PEM or OpenSSH)',
          },
          {
            ...{check: 'setuid', severity: 'high', path: '/opt/own tool', ruling: 'refused'},
            detail: 'runs as the user 0 (4755), and no package owns it',
          },
        ],
      },
    ]);
    // The hash of alice is the spec's own, and is in no document here either.
    expect(running.stdout).not.toContain('$6$');
  });
});
