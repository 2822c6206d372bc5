import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../cache/tree.ts';
import {lockAndSeed} from './locked.ts';
import {type Ended, Rig} from './rig.ts';
import {fakeAllTools} from './seed.ts';
import {spec} from './specs.ts';

const canary = 'c4n4ry';
const webSpec = spec(`packages: [curl]
users:
  - name: ada
    hashed_passwd: "$6$salt$${canary}abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdef"
    lock_passwd: false
copy: [{source: files, path: /srv/}]
provision: [{shell: setup.sh}]
targets:
  openstack: {format: qcow2}
  hpc: {compression: zstd}
`);

/** A project that was locked, with all of its build in the cache. */
async function built(): Promise<Rig> {
  const rig = new Rig({
    'fgimage.yaml': webSpec,
    'setup.sh': `#!/bin/sh\nTOKEN=${canary} true\n`,
    'files/motd': 'hello\n',
    'files/run': '#!/bin/sh\n',
  });
  execFileSync('chmod', ['+x', rig.join('project/files/run')]);
  symlinkSync('motd', rig.join('project/files/link'));
  fakeAllTools(rig);
  await lockAndSeed(rig);
  const build = await rig.run(['build', '--locked', '--no-test', '--quiet']);
  expect(build).toMatchObject({code: 0, stderr: ''});
  return rig;
}

const set = 'project/artifacts/web/openstack';

describe('provenance', () => {
  it('lies beside an artifact, tells of its lock, and holds no secret', async () => {
    await using rig = await built();
    const text = readFileSync(rig.join(set, 'provenance.intoto.json'), 'utf8');
    expect(text).not.toContain(canary);
    const manifest = JSON.parse(readFileSync(rig.join(set, 'manifest.json'), 'utf8')) as {
      readonly files: readonly {readonly path: string; readonly sha256: string}[];
      readonly documents: readonly object[];
    };
    expect(manifest.documents).toContainEqual({
      path: 'provenance.intoto.json',
      size_bytes: Buffer.byteLength(text),
      sha256: sha256(text),
    });
    const {subject, predicate} = JSON.parse(text) as {subject: object; predicate: Predicate};
    expect(subject).toEqual(
      manifest.files.map(({path, sha256: digest}) => ({name: path, digest: {sha256: digest}})),
    );
    const {resolvedDependencies} = predicate.buildDefinition;
    const lock = sha256(readFileSync(rig.join('project/fgimage.lock')));
    for (const [name, digest] of [
      ['fgimage.lock', lock],
      ['fgimage.yaml', sha256(webSpec)],
      ['setup.sh', sha256(readFileSync(rig.join('project/setup.sh')))],
      ['files/run', sha256('#!/bin/sh\n')],
    ])
      expect(resolvedDependencies).toContainEqual({
        name,
        digest: {sha256: digest},
        annotations: {kind: 'project-file'},
      });
    expect(resolvedDependencies).toContainEqual({
      uri: 'pkg:deb/debian/curl@1.0?arch=amd64&distro=debian-bookworm',
      digest: {sha256: sha256('curl')},
      annotations: {path: 'pool/main/curl_1.0_amd64.deb'},
    });
    expect(predicate.runDetails.byproducts).toContainEqual({
      name: 'sbom.spdx.json',
      digest: {sha256: sha256('content of sbom:web/openstack')},
    });
  });

  it('is not written again by a build with nothing to do', async () => {
    await using rig = await built();
    const path = rig.join(set, 'provenance.intoto.json');
    const [before, text] = [statSync(path), readFileSync(path, 'utf8')];
    await rig.run(['build', '--locked', '--no-test', '--quiet']);
    await rig.run(['build', '--locked', '--no-test', '--quiet', '--target', 'openstack']);
    expect([statSync(path).ino, statSync(path).mtimeMs]).toEqual([before.ino, before.mtimeMs]);
    // Made anew from the same records it is the same text.
    await rig.run(['build', '--locked', '--no-test', '--quiet', '--output', 'elsewhere']);
    expect(readFileSync(rig.join('project/elsewhere/web/openstack/provenance.intoto.json'), 'utf8')).toBe(
      text,
    );
  });
});

describe('fgimage sign and verify-signature', () => {
  it('sign and check all targets of an image', async () => {
    await using rig = await built();
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', rig.join('key')]);
    const print = ['sign', '--key', '../key', '--print-public-key', 'allowed-signers', '--identity', 'ada'];
    writeFileSync(rig.join('allowed'), (await rig.run(print)).stdout);
    const check = (): Promise<Ended> =>
      rig.run(['verify-signature', 'web', '--allowed-signers', '../allowed']);
    expect(await check()).toMatchObject({
      code: 2,
      stderr:
        'error: web/hpc is not to be trusted: it is not signed, SHA256SUMS.sig is missing\n' +
        '  mend: Do not use it; get it once more from where it was built, or have it signed by somebody you trust\n',
    });
    expect(await rig.run(['sign', 'web', '--key', '../key'])).toMatchObject({code: 0, stderr: ''});
    expect(await check()).toMatchObject({code: 0, stderr: ''});
    expect(readdirSync(rig.join(set)).sort()).toEqual([
      ...['SHA256SUMS', 'SHA256SUMS.sig', 'artifact', 'manifest.json'],
      ...['provenance.intoto.dsse.json', 'provenance.intoto.json', 'sbom.spdx.json'],
    ]);
    // A build with nothing to do leaves the signature whole.
    await rig.run(['build', '--locked', '--no-test', '--quiet']);
    expect(await check()).toMatchObject({code: 0, stderr: ''});
  });
});

describe('fgimage record and rebuild', () => {
  it('make an image again in another place', async () => {
    await using rig = await built();
    expect(await rig.run(['record', 'web', '--author', 'Ada'])).toEqual({
      ...{code: 0, signal: null, stderr: ''},
      stdout: 'web-ro-crate-metadata.json\n',
    });
    const text = readFileSync(rig.join('project/web-ro-crate-metadata.json'), 'utf8');
    expect((await rig.run(['record', 'web', '--output=-', '--author', 'Ada'])).stdout).toBe(text);
    writeFileSync(rig.join('tmp/record.json'), text);
    expect(await rig.run(['rebuild', 'record.json', '--check'], {cwd: 'tmp'})).toMatchObject({
      ...{code: 0, stderr: ''},
      stdout: 'record.json: whole, 6 files for web/openstack, web/hpc\n',
    });
    const rebuilt = await rig.run(['rebuild', 'record.json', '--quiet'], {cwd: 'tmp'});
    expect(rebuilt).toMatchObject({code: 0, stderr: ''});
    expect(rebuilt.stdout.split('\n').at(-2)).toBe(
      'web/openstack, web/hpc: the same, byte for byte, as in the record',
    );
    for (const name of ['fgimage.yaml', 'fgimage.lock', 'setup.sh', 'files/motd', 'files/link'])
      expect(readFileSync(rig.join('tmp/web-rebuilt', name))).toEqual(
        readFileSync(rig.join('project', name)),
      );
    expect(await rig.run(['rebuild', 'record.json', '--quiet'], {cwd: 'tmp'})).toMatchObject({
      code: 3,
      stderr: `error: The folder ${rig.join('tmp/web-rebuilt')} is not empty\n  mend: Remove it, or name another one with --output\n`,
    });
  });

  it('names what has come out differently', async () => {
    await using rig = await built();
    await rig.run(['record', 'web', '-o', 'record.json']);
    const path = rig.join('project/record.json');
    const made = sha256('content of pack:web/hpc');
    const other = '0'.repeat(64);
    const proof = readFileSync(rig.join('project/artifacts/web/hpc/provenance.intoto.json'), 'utf8');
    const text = readFileSync(path, 'utf8').replaceAll(made, other);
    writeFileSync(path, text.replaceAll(sha256(proof), sha256(proof.replaceAll(made, other))));
    const rebuilt = await rig.run(['rebuild', 'record.json', '-o', 'again', '--quiet']);
    expect(rebuilt).toMatchObject({code: 1, stderr: ''});
    expect(rebuilt.stdout.split('\n').at(-2)).toBe(
      `web/hpc/artifact differs: ${made.slice(0, 16)} now, ${other.slice(0, 16)} in the record`,
    );
  });

  it('record only what was built from the spec and the lock as they are', async () => {
    await using rig = await built();
    rig.write({'files/motd': 'changed\n'});
    expect(await rig.run(['record', 'web'])).toMatchObject({
      code: 2,
      stderr:
        'error: web/openstack does not lie in the output folder as the spec of now makes it: not built yet, or changed since\n  mend: Build it first: fgimage build web\n',
    });
    expect(await rig.run(['record', 'db'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^error: There is no image db in .*\n {2}mend: Its images are web\n$/,
      ) as unknown,
    });
    execFileSync('rm', [rig.join('project/fgimage.lock')]);
    expect(await rig.run(['record', 'web'])).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/^error: There is no fgimage\.lock beside the spec\n/) as unknown,
    });
    expect(existsSync(rig.join('project/web-ro-crate-metadata.json'))).toBe(false);
  });

  it('refuse a record that was changed', async () => {
    await using rig = await built();
    await rig.run(['record', 'web', '-o', 'record.json']);
    const path = rig.join('project/record.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('hello', 'hallo'));
    expect(await rig.run(['rebuild', 'record.json'])).toMatchObject({
      code: 2,
      stderr:
        'error: Cannot use the record record.json: the content of files/motd has not the digest that stands beside it\n' +
        '  mend: Get it once more from where it was published\n',
    });
    expect(existsSync(rig.join('project/web-rebuilt'))).toBe(false);
  });
});

interface Predicate {
  readonly buildDefinition: {readonly resolvedDependencies: readonly object[]};
  readonly runDetails: {readonly byproducts: readonly object[]};
}
