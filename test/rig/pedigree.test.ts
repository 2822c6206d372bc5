import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {sha256} from '../../cache/tree.ts';
import {repository} from './compiled.ts';
import {Rig} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';

const site =
  'version: 1\nos: {distribution: debian, release: bookworm, mirror: "http://mirror.example.org/debian"}\n';
const project = `version: 1
name: shop
extends: site.yaml
images:
  base: {packages: [curl]}
  web: {from: base, hostname: web, targets: [tarball]}
profiles:
  debug: {images: {base: {packages: [strace]}}}
`;

it('shows what an image stands on: by the plan, and by the digest of what was built', async () => {
  await using rig = new Rig({'fgimage.yaml': project, 'site.yaml': site});
  fakeAllTools(rig);
  const before = await rig.run(['pedigree', 'web']);
  expect(before).toMatchObject({code: 0, stderr: ''});
  expect(before.stdout).toMatch(/^web\/tarball +not made yet$/m);
  await seedCache(rig, {packages: ['curl'], test: false});

  const planned = await rig.run(['pedigree', 'web/tarball']);

  expect(planned).toMatchObject({code: 0, stderr: ''});
  const template = readFileSync(join(repository, 'templates/debian/template.json'), 'utf8');
  const lines = planned.stdout.trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/ +[0-9a-f]{64}$/, ''))).toEqual([
    'web/tarball',
    '├─ spec fgimage.yaml',
    '│  └─ extends site.yaml',
    '├─ target tarball',
    '│  ├─ adapt:web/tarball',
    '│  ├─ pack:web/tarball',
    '│  └─ sbom:web/tarball',
    '└─ image web',
    '   ├─ customize:web/settings',
    '   └─ image base',
    ...['kernel', 'packages'].map((part) => `      ├─ customize:base/${part}`),
    '      └─ base:debian-bookworm-amd64',
    '         ├─ archive:debian-bookworm',
    '         └─ template templates/debian/template.json',
  ]);
  const digestIn = (part: string): string | undefined =>
    lines
      .find((line) => line.includes(part))
      ?.split(/ +/)
      .at(-1);
  expect(digestIn('spec fgimage.yaml')).toBe(sha256(project));
  expect(digestIn('extends site.yaml')).toBe(sha256(site));
  expect(digestIn('template ')).toBe(sha256(template));

  expect(await rig.run(['build', '--no-test', '--quiet'])).toMatchObject({code: 0, stderr: ''});
  rig.write({'site.yaml': `${site}timezone: UTC\n`});
  const digest = digestIn('web/tarball') ?? '';
  const recorded = await rig.run(['pedigree', digest.slice(0, 12)], {cwd: 'tmp'});
  expect(recorded).toMatchObject({code: 0, stderr: '', stdout: planned.stdout});
  expect((await rig.run(['pedigree', 'web'])).stdout).not.toBe(planned.stdout);
  const json = JSON.parse((await rig.run(['pedigree', digest, '--json'])).stdout) as {
    readonly pedigrees: readonly object[];
  };
  expect(json).toMatchObject({
    version: 1,
    pedigrees: [{from: 'record', image: 'web', target: 'tarball', digest, images: ['web', 'base']}],
  });

  const debug = await rig.run(['pedigree', 'web', '--profile', 'debug']);
  expect(debug.stdout).toContain('├─ profile debug\n');
  expect(await rig.run(['pedigree', 'wbe'])).toMatchObject({code: 2});
  expect(await rig.run(['pedigree', '0123456789ab'])).toMatchObject({
    code: 2,
    stderr: 'error: No image 0123456789ab was built here\n  mend: There are web/tarball\n',
  });
});
