import {execFileSync} from 'node:child_process';
import {copyFileSync, mkdirSync, readFileSync, symlinkSync} from 'node:fs';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {Inventory} from '../../src/inventory/inventory.ts';
import {cyclonedxCheck, spdxCheck} from '../unit/inventory/schemas.ts';
import {writeTree} from './import-forms.ts';
import {Project} from './real-build.ts';

/** A root of busybox alone, as an archive of the project. */
function addRoot(project: Project, files: Readonly<Record<string, string>>): void {
  const root = join(project.folder, 'root');
  writeTree(root, {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\n',
    'etc/group': 'root:x:0:\n',
    'etc/skel/.profile': 'umask 022\n',
    ...files,
  });
  mkdirSync(join(root, 'bin'), {recursive: true});
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const name of ['sh', 'cat', 'chmod', 'cp', 'id', 'mkdir', 'wget', 'tee'])
    symlinkSync('busybox', join(root, 'bin', name));
  execFileSync('tar', ['-C', root, '--owner=0', '--group=0', '-cf', join(project.folder, 'root.tar'), '.']);
}

/** The content of a file of the packed tarball. */
function fileIn(project: Project, image: string, path: string): string {
  return execFileSync('tar', ['-xOf', archiveOf(project, image), `./${path}`], {encoding: 'utf8'});
}

function listOf(project: Project, image: string): string {
  return execFileSync('tar', ['--numeric-owner', '-tvf', archiveOf(project, image)], {encoding: 'utf8'});
}

function archiveOf(project: Project, image: string): string {
  return join(project.folder, 'artifacts', image, 'tarball/root.tar');
}

function inventoryOf(project: Project, image: string): Inventory {
  return project.json(`artifacts/${image}/tarball/inventory.json`) as Inventory;
}

describe('an image of a distribution without a name', () => {
  it('is customized by the host, has no packages in its documents, and cannot be locked', async () => {
    const project = new Project('import-other');
    // No os-release, no perl, no programs of shadow.
    addRoot(project, {'usr/bin/strange': '#!/bin/sh\n'});
    execFileSync('chmod', ['4755', join(project.folder, 'root/usr/bin/strange')]);
    project.write({
      'fgimage.yaml': `version: 1
name: small
os: {distribution: other}
base: {import: root.tar}
hostname: small
groups: [{name: crew, gid: 2000}]
users:
  - {name: ada, uid: 1500, gecos: Ada L, groups: [crew]}
  - {name: spool, system: true, homedir: /var/spool, shell: /bin/false}
write_files: [{path: /etc/motd, content: "Hello\\n", owner: "ada:crew"}]
provision: [{shell: {inline: "cat /etc/motd > /etc/said; id ada >> /etc/said"}}]
targets: {tarball: {compression: none}, oci: {}}
`,
    });
    const built = await project.build();
    expect(built.told.trim()).toBe('');
    expect(built.stages('stage-finished').filter((id) => id.startsWith('archive:'))).toEqual([]);
    expect(fileIn(project, 'small', 'etc/said')).toBe(
      'Hello\nuid=1500(ada) gid=1500(ada) groups=1500(ada),2000(crew)\n',
    );
    expect(fileIn(project, 'small', 'etc/passwd')).toBe(
      'root:x:0:0:root:/root:/bin/sh\nada:x:1500:1500:Ada L:/home/ada:/bin/sh\nspool:x:999:999::/var/spool:/bin/false\n',
    );
    expect(fileIn(project, 'small', 'etc/group')).toBe(
      'root:x:0:\ncrew:x:2000:ada\nada:x:1500:\nspool:x:999:\n',
    );
    expect(fileIn(project, 'small', 'etc/shadow')).toMatch(/^ada:!:\d+:0:99999:7:::\nspool:!:/);
    const listed = listOf(project, 'small');
    expect(listed).toMatch(/^-rw-r--r-- 1500\/2000 .* \.\/etc\/motd$/m);
    expect(listed).toMatch(/^-rw------- 0\/0 .* \.\/etc\/shadow$/m);
    expect(listed).toMatch(/^-\S+ 1500\/1500 .* \.\/home\/ada\/\.profile$/m);

    const inventory = inventoryOf(project, 'small');
    expect(inventory.packages).toEqual([]);
    expect(inventory.users.map(({name, uid}) => [name, uid])).toEqual([
      ['ada', 1500],
      ['root', 0],
      ['spool', 999],
    ]);
    const paths = inventory.files.unowned.map(({path}) => path);
    expect(paths).toEqual(expect.arrayContaining(['/bin/busybox', '/bin/sh', '/etc/motd']));
    const documents = 'artifacts/small/tarball';
    expect(spdxCheck()(project.json(`${documents}/sbom.spdx.json`))).toEqual([]);
    expect(cyclonedxCheck()(project.json(`${documents}/sbom.cdx.json`))).toEqual([]);
    const index = project.json('artifacts/small/oci/index.json') as {manifests: {digest: string}[]};
    const blob = (digest = ''): unknown =>
      project.json(`artifacts/small/oci/blobs/${digest.replace(':', '/')}`);
    const manifest = blob(index.manifests[0]?.digest) as {config: {digest: string}};
    expect(blob(manifest.config.digest)).toMatchObject({config: {Cmd: ['/bin/sh']}});

    const vetting = project.start(['vet', 'small', 'tarball']);
    expect([await vetting.end, vetting.stdout]).toEqual([0, expect.not.stringContaining('/usr/bin/strange')]);
    const locking = project.start(['lock']);
    expect(await locking.end).toBe(2);
    expect(locking.stderr).toContain('An image with an imported base cannot be locked: small of ');
    const again = await project.build();
    expect(again.stages('stage-finished')).toEqual([]);
  });
});

/**
 * No Alpine can be had where this is developed: the apk of this root is a stand-in, a script that takes the words which
 * fgimage gives it, fetches a list from the repositories that it is told, and writes a database as apk does. It verifies
 * nothing.
 */
const standInForApk = `#!/bin/sh -e
echo "$*" >> /etc/apk/asked
repositories=/etc/apk/repositories
verb=
for word; do
  case $last in --repositories-file) repositories=$word; last=; continue ;; esac
  last=$word
  case $word in
    --*) ;;
    add | del) verb=$word ;;
    *)
      [ "$verb" = add ] || continue
      [ -s /etc/resolv.conf ]
      while read -r uri; do
        wget -q -O - "$uri/version" > /tmp/version || continue
        mkdir -p /usr/share/$word
        cat /tmp/version > /usr/share/$word/version
        printf 'P:%s\\nV:%s\\nA:x86_64\\nI:2048\\nL:MIT\\nD:so:libc.musl-x86_64.so.1\\no:%s\\nF:usr/share/%s\\nR:version\\n\\n' \\
          "$word" "$(cat /tmp/version)" "$word" "$word" >> /lib/apk/db/installed
        break
      done < $repositories
      ;;
  esac
done
: > /lib/apk/db/lock
echo done > /var/log/apk.log
`;

describe('an imported Alpine Linux, with a stand-in for its apk', () => {
  const asked: string[] = [];
  let server: Server;
  let mirror = '';
  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.end('2.2.1-r0');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    mirror = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/alpine`;
  });
  afterAll(() => {
    server.close();
  });

  it('has its packages from its own apk, in a stage that has a network and says so', async () => {
    const project = new Project('import-alpine');
    addRoot(project, {
      'etc/os-release': 'ID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\n',
      'etc/apk/repositories': 'http://127.0.0.1:1/none\n',
      'lib/apk/db/installed':
        'C:Q1aaaa=\nP:musl\nV:1.2.5-r10\nA:x86_64\nI:4096\nL:MIT\no:musl\nm:Somebody <somebody@example.org>\np:so:libc.musl-x86_64.so.1=1\nF:lib\n\n',
      'sbin/apk': standInForApk,
      'var/log/kept': '',
    });
    execFileSync('chmod', ['755', join(project.folder, 'root/sbin/apk')]);
    execFileSync('tar', ['-C', join(project.folder, 'root'), '-cf', join(project.folder, 'root.tar'), '.']);
    const spec = (release: string): string => `version: 1
name: small
os: {distribution: alpine, release: "${release}", mirror: "${mirror}"}
base: {import: root.tar}
packages: [tree]
remove_packages: [nano]
targets: {tarball: {compression: none}}
`;
    project.write({'fgimage.yaml': spec('3.21')});
    const wrong = await project.build();
    expect(wrong.told).toContain('It is alpine 3.22.1 by its /etc/os-release, and os is alpine 3.21');

    project.write({'fgimage.yaml': spec('3.22')});
    const offline = await project.build(['--offline']);
    expect(offline.told).toContain('The apk of the image fetches packages by itself');
    const planned = project.start(['plan']);
    expect(await planned.end).toBe(0);
    expect(planned.stdout).toContain('not reproducible: customize:small/packages has a network');

    const built = await project.build();
    expect(built.told.trim()).toBe('');
    expect(asked).toEqual(['/alpine/v3.22/main/version']);
    expect(fileIn(project, 'small', 'etc/apk/asked')).toBe(
      '--no-cache --no-progress --repositories-file /run/fgimage/repositories add tree\n--no-cache --no-progress --repositories-file /run/fgimage/repositories del nano\n',
    );
    expect(fileIn(project, 'small', 'etc/apk/repositories')).toBe('http://127.0.0.1:1/none\n');
    expect(listOf(project, 'small')).not.toMatch(/resolv\.conf|db\/lock|apk\.log/);
    const {packages, files} = inventoryOf(project, 'small');
    expect(packages.map(({name, version, depends}) => [name, version, depends])).toEqual([
      ['musl', '1.2.5-r10', []],
      ['tree', '2.2.1-r0', ['musl']],
    ]);
    expect(files.unowned.map(({path}) => path)).not.toContain('/usr/share/tree/version');
    const documents = 'artifacts/small/tarball';
    expect(readFileSync(join(project.folder, documents, 'sbom.spdx.json'), 'utf8')).toContain(
      '"pkg:apk/alpine/tree@2.2.1-r0?arch=x86_64&distro=alpine-3.22.1"',
    );
    expect(spdxCheck()(project.json(`${documents}/sbom.spdx.json`))).toEqual([]);
    expect(cyclonedxCheck()(project.json(`${documents}/sbom.cdx.json`))).toEqual([]);
  });
});
