import {describe, expect, it} from 'vitest';
import {
  type ProvenanceInput,
  packageUrl,
  provenanceStatement,
  provenanceText,
} from '../../../src/attest/provenance.ts';
import {hpc, image, openstack, shellStep} from '../../rig/images.ts';

const canary = 'c4n4ry-5ecret';
const digest = (letter: string): string => letter.repeat(64);

const input: ProvenanceInput = {
  version: '1.2.3',
  image: image({targets: [openstack()]}),
  target: 'openstack',
  specDigest: digest('a'),
  stages: [
    {
      stage: 'pack:web/openstack',
      key: digest('b'),
      digest: digest('c'),
      startedAt: Date.UTC(2026, 0, 1, 12, 5),
      durationMs: 90_500,
      log: digest('d'),
    },
    {
      stage: 'base:debian',
      key: digest('e'),
      digest: digest('f'),
      startedAt: Date.UTC(2026, 0, 1, 12),
      durationMs: 60_000,
    },
  ],
  subjects: [{path: 'web.qcow2', sha256: digest('1')}],
  documents: [{path: 'sbom.spdx.json', sha256: digest('2')}],
  projectFiles: [
    {path: 'setup.sh', sha256: digest('3')},
    {path: 'fgimage.yaml', sha256: digest('4')},
  ],
  packages: [
    {
      distribution: 'debian',
      release: 'bookworm',
      name: 'g++',
      version: '4:12.2.0-3',
      architecture: 'amd64',
      path: 'pool/main/g/g.deb',
      sha256: digest('5'),
    },
    {
      distribution: 'debian',
      release: 'bookworm',
      name: 'bash',
      version: '5.2.15-2+b7',
      architecture: 'amd64',
      path: 'pool/main/b/b.deb',
      sha256: digest('6'),
    },
    {
      distribution: 'debian',
      release: 'bookworm',
      name: 'bash',
      version: '5.2.15-2+b7',
      architecture: 'amd64',
      path: 'pool/main/b/b.deb',
      sha256: digest('6'),
    },
  ],
  suites: [{name: 'InRelease of debian bookworm (main)', sha256: digest('7')}],
  tools: {'qemu-img': '7.2'},
  invocationId: 'urn:uuid:1',
};

describe('provenanceStatement', () => {
  it('is an in-toto statement with SLSA provenance', () => {
    const {options, ...parameters} = external(input);
    expect(options).toMatchObject({name: 'web', os: {release: 'bookworm'}});
    expect({...(provenanceStatement(input) as object), predicate: {}}).toEqual({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{name: 'web.qcow2', digest: {sha256: digest('1')}}],
      predicateType: 'https://slsa.dev/provenance/v1',
      predicate: {},
    });
    expect(parameters).toEqual({image: 'web', target: 'openstack', spec: {sha256: digest('a')}});
    const {buildDefinition, runDetails} = predicate(input);
    expect(buildDefinition).toMatchObject({
      buildType: 'urn:fgimage:build:v1',
      internalParameters: {
        stages: [
          {stage: 'pack:web/openstack', key: digest('b'), digest: digest('c')},
          {stage: 'base:debian', key: digest('e'), digest: digest('f')},
        ],
        tools: {'qemu-img': '7.2'},
      },
      resolvedDependencies: [
        {name: 'fgimage.yaml', digest: {sha256: digest('4')}, annotations: {kind: 'project-file'}},
        {name: 'setup.sh', digest: {sha256: digest('3')}, annotations: {kind: 'project-file'}},
        {name: 'InRelease of debian bookworm (main)', digest: {sha256: digest('7')}},
        {
          uri: 'pkg:deb/debian/bash@5.2.15-2%2Bb7?arch=amd64&distro=debian-bookworm',
          digest: {sha256: digest('6')},
          annotations: {path: 'pool/main/b/b.deb'},
        },
        {
          uri: 'pkg:deb/debian/g%2B%2B@4:12.2.0-3?arch=amd64&distro=debian-bookworm',
          digest: {sha256: digest('5')},
          annotations: {path: 'pool/main/g/g.deb'},
        },
      ],
    });
    expect(runDetails).toEqual({
      builder: {id: 'urn:fgimage:builder:local', version: {fgimage: '1.2.3'}},
      metadata: {
        invocationId: 'urn:uuid:1',
        startedOn: '2026-01-01T12:00:00Z',
        finishedOn: '2026-01-01T12:06:30Z',
      },
      byproducts: [
        {name: 'sbom.spdx.json', digest: {sha256: digest('2')}},
        {name: 'log of pack:web/openstack', digest: {sha256: digest('d')}, mediaType: 'text/plain'},
      ],
    });
  });

  it('marks the stages whose commands had a network, and no others', () => {
    const [pack, base] = input.stages;
    if (pack === undefined || base === undefined) throw new Error('There are two stages');
    const step = {...base, stage: 'customize:web/provision-1', network: true};
    const statement = provenanceStatement({...input, stages: [{...pack, network: false}, step]});
    expect(statement).toMatchObject({
      predicate: {
        buildDefinition: {
          internalParameters: {
            stages: [
              {stage: pack.stage, key: pack.key, digest: pack.digest},
              {stage: step.stage, key: step.key, digest: step.digest, network: true},
            ],
          },
        },
      },
    });
    expect(JSON.stringify(statement).match(/"network"/g)).toHaveLength(1);
  });

  it('is the same text each time', () => {
    expect(provenanceText(input)).toBe(provenanceText(structuredClone(input)));
  });

  it('holds no secret, wherever a spec may have one', () => {
    const secret = image({
      os: {
        distribution: 'debian',
        release: 'bookworm',
        architecture: 'amd64',
        mirror: `https://ada:${canary}@mirror.example.org/debian`,
      },
      repositories: [
        {
          name: 'own',
          uri: `https://${canary}@repo.example.org/`,
          suites: ['x'],
          components: ['y'],
          signed_by: 'k.asc',
        },
      ],
      users: [
        {
          name: 'ada',
          groups: [],
          sudo: [],
          ssh_authorized_keys: ['ssh-ed25519 AAAA'],
          hashed_passwd: `$6$${canary}`,
          lock_passwd: false,
          system: false,
        },
      ],
      write_files: [
        {
          path: '/etc/a',
          content: `PASSWORD=${canary}`,
          owner: 'root:root',
          permissions: '0600',
          append: false,
        },
        {path: '/etc/b', content_base64: canary, owner: 'root:root', permissions: '0600', append: false},
      ],
      provision: [shellStep({inline: `export TOKEN=${canary}`})],
      tests: [{kind: 'command', command: `login ${canary}`, exit_status: 0, stdout: [canary]}],
      targets: [
        openstack({
          credentials: {user: canary},
          env: {A: canary},
          environment: [canary],
          secret_key: canary,
          url: `https://a:${canary}@x.example.org`,
        }),
        hpc(),
      ],
    });
    const text = provenanceText({...input, image: secret});
    expect(text).not.toContain(canary);
    expect(text).not.toContain(Buffer.from(canary).toString('base64').slice(0, 12));
    const {options} = external({...input, image: secret});
    expect(options).toMatchObject({
      os: {mirror: 'https://mirror.example.org/debian'},
      users: [
        {
          name: 'ada',
          ssh_authorized_keys: ['ssh-ed25519 AAAA'],
          hashed_passwd: {sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown},
        },
      ],
      write_files: [{path: '/etc/a', content: {sha256: expect.any(String) as unknown}}, {path: '/etc/b'}],
      provision: [{kind: 'shell', sha256: expect.any(String) as unknown}],
      targets: [{name: 'openstack', options: {format: 'qcow2', url: 'https://x.example.org'}}, {name: 'hpc'}],
    });
  });
});

describe('packageUrl', () => {
  it.each([
    ['libstdc++6', '12.2.0-14', 'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14?arch=amd64&distro=debian-bookworm'],
    ['vim', '2:9.0~1', 'pkg:deb/debian/vim@2:9.0~1?arch=amd64&distro=debian-bookworm'],
  ])('%s %s', (name, version, expected) => {
    const of = {distribution: 'debian', release: 'bookworm', architecture: 'amd64'};
    expect(packageUrl({...of, name, version})).toBe(expected);
  });
});

function predicate(of: ProvenanceInput): {buildDefinition: Record<string, unknown>; runDetails: unknown} {
  return (provenanceStatement(of) as unknown as {predicate: ReturnType<typeof predicate>}).predicate;
}

function external(of: ProvenanceInput): Record<string, unknown> {
  return predicate(of).buildDefinition['externalParameters'] as Record<string, unknown>;
}
