import {describe, expect, it} from 'vitest';
import {Rig, type RigOptions} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {bothTargets, spec} from './specs.ts';

const archive = ['curl', 'jq', 'openssh-server'];
const key = `-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END\n`;
const refusedKey = {
  check: 'private-keys',
  severity: 'high',
  path: '/srv/app/key.pem',
  detail: 'a private key (PEM or OpenSSH)',
};
const log = {check: 'histories-and-logs', severity: 'low', path: '/var/log/dpkg.log', detail: 'a log'};

type Files = Readonly<Record<string, string>>;

/** A rig whose spec was built, with these files in the base and in the layers of targets. */
async function built(
  text: string,
  {test = true, base = {}, openstack = {}}: {test?: boolean; base?: Files; openstack?: Files} = {},
): Promise<Rig> {
  const rig = new Rig({'fgimage.yaml': text});
  fakeAllTools(rig);
  const inventory = {'inventory.json': '{"packages": []}'};
  await seedCache(rig, {
    packages: archive,
    test,
    contents: {
      'base:debian-bookworm-amd64': {'etc/hostname': 'localhost\n', ...base},
      'adapt:web/openstack': {'etc/cloud/ds-identify.cfg': 'policy: enabled\n', ...openstack},
      'sbom:web/openstack': inventory,
      'sbom:web/hpc': inventory,
    },
  });
  return rig;
}

const options = (rig: Rig, env: Readonly<Record<string, string>> = {}): RigOptions => ({
  env: {FGIMAGE_CATALOG: rig.join('catalog.db'), FGIMAGE_USER: 'ada@example.org', ...env},
});

function run(rig: Rig, words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return rig.run(words, options(rig, env));
}

interface Told {
  readonly images: readonly {
    readonly target: string;
    readonly may_be_registered: boolean;
    readonly refused: readonly string[];
    readonly findings: readonly object[];
    readonly ignored: readonly object[];
  }[];
}

async function vetted(rig: Rig, words: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
  const {code, stdout, stderr} = await run(rig, ['vet', 'web', ...words, '--json'], env);
  expect(stdout, stderr).toMatch(/^\{/);
  return {code, stderr, images: (JSON.parse(stdout) as Told).images};
}

// Where an ordinary user vets, trees have other owners inside the namespace than a seed has; test/integration does it.
const asRoot = process.getuid?.() === 0;

describe.runIf(asRoot)('fgimage vet', () => {
  it('finds nothing in trees with nothing wrong, and runs nothing the second time', async () => {
    await using rig = await built(bothTargets);
    const first = await run(rig, ['vet', 'web']);
    expect(first.stderr).toContain('[vet:web/hpc] finished');
    expect(first.stdout).toBe(
      'web/openstack: nothing found (policy: standard)\n\nweb/hpc: nothing found (policy: strict)\n',
    );
    const second = await run(rig, ['vet', 'web']);
    expect(second).toMatchObject({code: 0, stdout: first.stdout});
    expect(second.stderr).toContain('[vet:web/hpc] cached');
    // Nothing is packed, booted or handed out for it.
    expect(second.stderr).not.toMatch(/\[(?:pack|test):/);
    expect((await run(rig, ['images'])).stdout).toBe('Nothing was built yet\n');
  });

  it('reads the tree of all layers, and tells what the policy says of each finding', async () => {
    await using rig = await built(bothTargets, {
      base: {'var/log/dpkg.log': 'x\n'},
      openstack: {'srv/app/key.pem': key},
    });
    const {code, stdout} = await run(rig, ['vet', 'web']);
    expect({code, stdout}).toEqual({
      code: 1,
      stdout: `web/openstack: 2 findings, 1 refused (policy: standard)
  severity  check               path               what                            policy
  high      private-keys        /srv/app/key.pem   a private key (PEM or OpenSSH)  refused
  low       histories-and-logs  /var/log/dpkg.log  a log                           tolerated

web/hpc: 1 finding, 1 refused (policy: strict)
  severity  check               path               what   policy
  low       histories-and-logs  /var/log/dpkg.log  a log  refused
`,
    });
    const {images} = await vetted(rig, ['openstack']);
    expect(images).toEqual([
      {
        image: 'web',
        target: 'openstack',
        policy: {level: 'standard', tests: 'required', approval: 'none'},
        may_be_registered: false,
        refused: [
          'There is a finding that the policy does not let pass (1 high): private-keys /srv/app/key.pem',
        ],
        findings: [
          {...refusedKey, ruling: 'refused'},
          {...log, ruling: 'tolerated'},
        ],
        unused: [],
        ignored: [],
      },
    ]);
  });

  it('lets pass what the spec allows, with the reason, and looks anew for no other policy', async () => {
    const policy = `policy:
  level: strict
  approval: required
  allow:
    - {check: private-keys, path: "/srv/**", reason: a key for tests}
    - {check: setuid, path: /usr/bin/none, reason: there was one}
`;
    await using rig = await built(bothTargets, {openstack: {'srv/app/key.pem': key}});
    expect((await vetted(rig, ['openstack'])).code).toBe(1);
    rig.write({'fgimage.yaml': `${bothTargets}${policy}`});
    const {code, stdout, stderr} = await run(rig, ['vet', 'web', 'openstack']);
    expect({code, stdout}).toEqual({
      code: 0,
      stdout: `web/openstack: 1 finding, none refused (policy: strict)
  severity  check         path              what                            policy
  high      private-keys  /srv/app/key.pem  a private key (PEM or OpenSSH)  allowed: a key for tests
  not to be registered yet: Nobody has approved it, which the policy asks for
`,
    });
    expect(stderr).toContain('[vet:web/openstack] cached');
    expect(stderr).toContain(
      'warning: Nothing was found for this exception of the policy: setuid /usr/bin/none (there was one)\n',
    );
  });

  it("holds to the site's policy, which a spec cannot relax", async () => {
    const policy = `policy: {level: "off", allow: [{check: private-keys, path: "/srv/**", reason: tests}]}\n`;
    await using rig = await built(`${bothTargets}${policy}`, {openstack: {'srv/app/key.pem': key}});
    rig.write({'site.yaml': 'version: 1\nlevel: standard\n'});
    const FGIMAGE_POLICY = rig.join('project/site.yaml');
    expect((await vetted(rig, ['openstack'])).code).toBe(0);
    const held = await vetted(rig, ['openstack'], {FGIMAGE_POLICY});
    expect(held.code).toBe(1);
    expect(held.images[0]?.ignored).toHaveLength(1);
    expect(held.stderr).toContain(
      "warning: The site's policy lets this exception of the spec not count: private-keys /srv/** (tests)\n",
    );
    rig.write({'site.yaml': 'version: 1\nlevel: standard\noverride: exceptions\n'});
    expect((await vetted(rig, ['openstack'], {FGIMAGE_POLICY})).code).toBe(0);
    rig.write({'site.yaml': 'version: 1\nlevl: standard\n'});
    const wrong = await run(rig, ['vet', 'web'], {FGIMAGE_POLICY});
    expect({code: wrong.code, stdout: wrong.stdout}).toEqual({code: 2, stdout: ''});
    expect(wrong.stderr).toContain('error: Unknown key "levl"');
  });

  it('tells that boot tests are missing, and that they are no finding', async () => {
    await using rig = await built(bothTargets, {test: false});
    const {code, images} = await vetted(rig, ['hpc']);
    expect(code).toBe(0);
    expect(images).toMatchObject([
      {may_be_registered: false, refused: ['It has not passed its boot tests, which the policy asks for']},
    ]);
  });

  it('knows no image or target that is not there', async () => {
    await using rig = await built(spec('targets: [hpc]\n'));
    expect(await run(rig, ['vet', 'webb'])).toMatchObject({code: 2, stdout: ''});
    expect(await run(rig, ['vet', 'web', 'openstack'])).toMatchObject({code: 2, stdout: ''});
  });
});

describe.runIf(asRoot)('fgimage approve and reject', () => {
  const policy = 'policy: {approval: required}\n';

  it('are about an artifact, and the newest counts', async () => {
    await using rig = await built(`${bothTargets}${policy}`);
    const refused = async (): Promise<unknown> => (await vetted(rig)).images.map((one) => one.refused);
    const none = ['Nobody has approved it, which the policy asks for'];
    expect(await refused()).toEqual([none, none]);

    const approved = await run(rig, ['approve', 'web', 'hpc', '--reason', 'looked at it']);
    expect(approved).toMatchObject({code: 0, stderr: ''});
    expect(approved.stdout).toMatch(/^ada@example\.org approved web\/hpc [0-9a-f]{12}: looked at it\n$/);
    expect(await refused()).toEqual([none, []]);

    expect((await run(rig, ['build', 'web', '--no-test', '--target', 'hpc'])).code).toBe(0);
    expect((await run(rig, ['images'])).stdout).toMatch(/^web +hpc +100 B +not tested, approved +/m);

    const {code, stdout} = await run(rig, ['reject', 'web', '--reason', 'not after all']);
    expect(code).toBe(0);
    expect(
      stdout.match(/^ada@example\.org rejected web\/(?:hpc|openstack) [0-9a-f]{12}: not after all$/gm),
    ).toHaveLength(2);
    const today = new Date().toISOString().slice(0, 10);
    expect(await refused()).toEqual([
      [`ada@example.org rejected it on ${today}: not after all`],
      [`ada@example.org rejected it on ${today}: not after all`],
    ]);
  });

  it('want a reason, and something that was built', async () => {
    await using rig = await built(`${bothTargets}${policy}`);
    expect(await run(rig, ['approve', 'web'])).toMatchObject({
      code: 2,
      stderr: 'error: --reason is missing\n  mend: Say why: --reason "…"\n',
    });
    rig.write({'fgimage.yaml': `${bothTargets}${policy}`.replace('hostname: web', 'hostname: other')});
    expect(await run(rig, ['approve', 'web', 'hpc', '--reason', 'x'])).toMatchObject({
      code: 2,
      stderr: `error: web/hpc was not built as the spec has it now
  mend: Run "fgimage build web --target hpc", and look at what it makes
`,
    });
  });
});
