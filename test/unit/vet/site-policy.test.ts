import {expect, it} from 'vitest';
import {PolicyError, readSitePolicy} from '../../../src/vet/site-policy.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

it('readSitePolicy() reads what the site says', async () => {
  using folder = new TemporaryFolder({
    'policy.yaml': `version: 1
override: exceptions
level: strict
allow:
  - {check: histories-and-logs, path: "/var/log/**", reason: we keep them}
per_target:
  hpc: {approval: required}
`,
  });

  expect(await readSitePolicy({FGIMAGE_POLICY: folder.join('policy.yaml')})).toEqual({
    override: 'exceptions',
    level: 'strict',
    allow: [{check: 'histories-and-logs', path: '/var/log/**', reason: 'we keep them'}],
    per_target: {hpc: {approval: 'required', allow: []}},
  });
});

it('readSitePolicy() tells all that is wrong, with its place', async () => {
  using folder = new TemporaryFolder({
    'policy.yaml': 'version: 1\noverride: maybe\nlevle: strict\nallow:\n  - {check: keys, path: etc}\n',
  });
  const file = folder.join('policy.yaml');

  const error: unknown = await readSitePolicy({FGIMAGE_POLICY: file}).catch((thrown: unknown) => thrown);

  expect(error).toBeInstanceOf(PolicyError);
  const {code, exitCode, report} = error as PolicyError;
  expect({code, exitCode}).toEqual({code: 'POLICY_INVALID', exitCode: 2});
  expect(report.replaceAll(file, 'policy.yaml')).toMatchInlineSnapshot(`
    "policy.yaml:2:11: error: override is the text "maybe", wanted is one of none, exceptions, all
      override: maybe
                ^^^^^
      mend: Write one of none, exceptions, all

    policy.yaml:3:1: error: Unknown key "levle"
      levle: strict
      ^^^^^
      mend: Write \`level\`

    policy.yaml:5:5: error: allow[0] has no \`reason\`
        - {check: keys, path: etc}
          ^^^^^^^^^^^^^^^^^^^^^^^^
      mend: Write \`reason: …\`

    policy.yaml:5:13: error: allow[0].check is the text "keys", wanted is one of ssh-host-keys, authorized-keys, machine-id, password-hashes, empty-passwords, private-keys, cloud-credentials, histories-and-logs, world-writable, setuid, package-sources
        - {check: keys, path: etc}
                  ^^^^
      mend: Write one of ssh-host-keys, authorized-keys, machine-id, password-hashes, empty-passwords, private-keys, cloud-credentials, histories-and-logs, world-writable, setuid, package-sources

    policy.yaml:5:25: error: "etc" is not a pattern of paths in the image
        - {check: keys, path: etc}
                              ^^^
      mend: Begin with \`/\`; \`*\` and \`?\` stand for characters of a name, \`**\` for any folders: /etc/ssl/private/*.key

    5 errors"
  `);
});

it('readSitePolicy() takes a policy that is named and not there for a mistake', async () => {
  using folder = new TemporaryFolder();
  const FGIMAGE_POLICY = folder.join('absent.yaml');

  await expect(readSitePolicy({FGIMAGE_POLICY})).rejects.toMatchObject({
    code: 'POLICY_INVALID',
    message: `The site's policy ${FGIMAGE_POLICY} cannot be read`,
  });
});
