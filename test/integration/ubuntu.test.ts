import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {LocalArchive} from './local-archive.ts';
import {type BuildResult, Project} from './real-build.ts';
import {makeUbuntuArchive} from './ubuntu-archive.ts';

const project = new Project('ubuntu');
let archive: LocalArchive;
let result: BuildResult;

const specFor = (key: string): string => `version: 1
name: node
os: {distribution: ubuntu, release: "24.04", mirror: "${archive.uri}", signed_by: ${key}}
packages: [site-tool]
users: [{name: carol, uid: 1601}]
targets: {tarball: {compression: none}}
`;

beforeAll(async () => {
  archive = makeUbuntuArchive(project.folder);
  await archive.start();
  project.write({'archive.asc': archive.key, 'fgimage.yaml': specFor('archive.asc')});
  result = await project.build();
});

afterAll(() => archive.close());

describe('fgimage build of Ubuntu', () => {
  it('makes a root from an archive in its layout, verified with the key of the spec', () => {
    expect(result.told.trim()).toBe('');
    expect(result.code).toBe(0);
    expect(fileOf('usr/lib/os-release')).toContain('ID=ubuntu');
    expect(fileOf('etc/passwd')).toContain('carol:x:1601:');
  });

  it("has all suites and components in the image's sources, and the key that they are signed with", () => {
    const of = (suite: string): string =>
      `deb [signed-by=/etc/apt/keyrings/fgimage-archive.asc] ${archive.uri} ${suite} main universe\n`;
    expect(fileOf('etc/apt/sources.list')).toBe(
      `${of('noble')}${of('noble-updates')}${of('noble-security')}`,
    );
    expect(fileOf('etc/apt/keyrings/fgimage-archive.asc')).toBe(archive.key);
  });

  it("takes Ubuntu's kernel with its modules, and what the security suite of the same archive mends", () => {
    const manifest = project.json('artifacts/node/tarball/manifest.json') as {
      readonly packages: readonly {readonly name: string; readonly version: string}[];
    };
    const version = (name: string): string | undefined =>
      manifest.packages.find((one) => one.name === name)?.version;
    expect(version('linux-image-generic')).toBe('6.8.0-60.63');
    expect(version('linux-modules-6.8.0-60-generic')).toBe('6.8.0-60.63');
    expect(version('zstd')).toBeDefined();
    expect(version('site-tool')).toBe('1.0ubuntu0.1');
  });

  it('refuses an archive that another key has signed', async () => {
    const other = new Project('ubuntu-other-key');
    const key = execFileSync('gpg', ['--armor', '--export'], {
      encoding: 'utf8',
      env: {...process.env, GNUPGHOME: otherHome(other.folder)},
    });
    other.write({'other.asc': key, 'fgimage.yaml': specFor('other.asc')});
    const refused = await other.build();
    expect(refused.code).toBe(1);
    expect(refused.stages('stage-failed')).toEqual(['archive:ubuntu-noble']);
    expect(refused.told).toContain('Name the right key in signed_by');
  });
});

function fileOf(path: string): string {
  const tar = join(project.folder, 'artifacts/node/tarball/root.tar');
  return execFileSync('tar', ['--extract', '--to-stdout', '--file', tar, `./${path}`], {encoding: 'utf8'});
}

/** A home of gpg with a key of its own. */
function otherHome(folder: string): string {
  const home = join(folder, 'gnupg');
  const env = {...process.env, GNUPGHOME: home};
  execFileSync('mkdir', ['-m', '700', home]);
  execFileSync(
    'gpg',
    ['--batch', '--passphrase', '', '--quick-gen-key', 'Another', 'ed25519', 'sign', 'never'],
    {env, stdio: 'pipe'},
  );
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'], {stdio: 'ignore'});
  return home;
}
