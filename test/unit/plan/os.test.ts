import {describe, expect, it} from 'vitest';
import type {ArchiveUris} from '../../../src/plan/archives.ts';
import type {StageNode} from '../../../src/plan/graph.ts';
import {type Plan, planImages} from '../../../src/plan/plan.ts';
import type {Image, Os} from '../../../src/spec/image.ts';
import {targetOfType} from '../../../targets/registry.ts';
import {hpc, image, openstack} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** What distributions, releases and architectures change in a plan. */
function plan(images: readonly Image[], projectDir = '/nonexistent'): Promise<Plan> {
  return planImages({
    images,
    projectDir,
    targetOfType,
    archiveOf: ({mirror, distribution}: Os): ArchiveUris =>
      mirror === undefined
        ? {
            main: `http://mirror.example.org/${distribution}`,
            security: `http://mirror.example.org/${distribution}-security`,
          }
        : {main: mirror, security: mirror},
    test: true,
    onlyImages: [],
    onlyTargets: [],
    environment: {LC_ALL: 'C.UTF-8'},
  });
}

function node({nodes}: Plan, id: string): StageNode {
  const found = nodes.find((one) => one.id === id);
  if (found === undefined) throw new Error(`No stage ${id} among ${nodes.map((one) => one.id).join(', ')}`);
  return found;
}

const arm: Os = {distribution: 'debian', release: 'bookworm', architecture: 'arm64'};

describe('a plan of arm64', () => {
  it('has package lists and a base of its own beside those of amd64', async () => {
    const made = await plan([
      image({name: 'pc', targets: [openstack()]}),
      image({name: 'arm', os: arm, targets: [openstack()]}),
    ]);
    const ids = made.nodes.filter(({kind}) => kind === 'archive' || kind === 'base').map(({id}) => id);
    expect(ids).toEqual([
      'archive:debian-bookworm',
      'base:debian-bookworm-amd64',
      'archive:debian-bookworm-arm64',
      'base:debian-bookworm-arm64',
    ]);
    expect(node(made, 'archive:debian-bookworm-arm64').params['architecture']).toBe('arm64');
    expect(node(made, 'base:debian-bookworm-arm64').params['architecture']).toBe('arm64');
    expect(node(made, 'customize:arm/kernel').params['install']).toEqual([
      'linux-image-arm64',
      'initramfs-tools',
    ]);
  });

  it('packs for UEFI alone, and boots that with the emulator of the architecture', async () => {
    const made = await plan([image({os: arm, targets: [openstack()]})]);
    const pack = node(made, 'pack:web/openstack').params;
    expect(pack['plan']).toMatchObject({
      firmware: 'uefi',
      cmdline: 'console=tty0 console=ttyS0,115200n8 console=ttyAMA0,115200n8',
    });
    expect(pack['system']).toEqual({
      architecture: 'arm64',
      title: 'Debian GNU/Linux',
      efi_vendor: 'debian',
    });
    const test = node(made, 'test:web/openstack');
    expect(test.tools).toEqual(['qemu-system-aarch64']);
    expect(test.params['architecture']).toBe('arm64');
    expect((test.params['boots'] as readonly {name: string}[]).map(({name}) => name)).toEqual(['uefi']);
  });

  it('boots no netboot set, for which there is no iPXE here', async () => {
    const made = await plan([image({os: arm, targets: [hpc()]})]);
    expect(made.nodes.some(({kind}) => kind === 'test')).toBe(false);
    expect(made.deliveries.map(({boots}) => boots)).toEqual([false]);
  });
});

describe('a plan of sid', () => {
  it('has one suite, and no security suite', async () => {
    const made = await plan([
      image({os: {distribution: 'debian', release: 'sid', architecture: 'amd64'}, targets: [hpc()]}),
    ]);
    const sources = node(made, 'archive:debian-sid').params['sources'] as readonly {suite: string}[];
    expect(sources.map(({suite}) => suite)).toEqual(['sid']);
    expect(node(made, 'base:debian-sid-amd64').params['image_sources']).toMatchObject({
      suites: ['sid'],
      security_suite: '',
    });
  });
});

describe('a plan of Ubuntu', () => {
  const os: Os = {
    distribution: 'ubuntu',
    release: 'noble',
    architecture: 'amd64',
    mirror: 'http://mirror.example.org/ubuntu',
    signed_by: 'keys/mirror.asc',
  };

  it("verifies all suites of the mirror with the project's key, which the image gets", async () => {
    using folder = new TemporaryFolder({'keys/mirror.asc': 'a key'});
    const made = await plan([image({os, targets: [openstack()]})], folder.path);
    const archive = node(made, 'archive:ubuntu-noble');
    expect(archive.params['sources']).toEqual(
      ['noble', 'noble-updates', 'noble-security'].map((suite) => ({
        origin: suite === 'noble-security' ? 'security' : 'main',
        uri: 'http://mirror.example.org/ubuntu',
        suite,
        components: ['main', 'universe'],
        signed_by: 'keys/mirror.asc',
        project_key: true,
        expired_ok: false,
      })),
    );
    expect(Object.keys(archive.files)).toEqual(['keys/mirror.asc']);
    const base = node(made, 'base:ubuntu-noble-amd64');
    expect(Object.keys(base.files)).toEqual(['keys/mirror.asc']);
    expect(base.params['image_sources']).toMatchObject({
      options: ['signed-by=/etc/apt/keyrings/fgimage-archive.asc'],
      key: 'keys/mirror.asc',
      key_path: '/etc/apt/keyrings/fgimage-archive.asc',
    });
    expect(node(made, 'customize:web/kernel').params['install']).toEqual([
      'linux-image-generic',
      'initramfs-tools',
    ]);
    expect(node(made, 'customize:web/platform').params['install']).toContain('grub-efi-amd64-signed');
    expect(node(made, 'customize:web/platform').params['install']).not.toContain('grub-cloud-amd64');
    expect(node(made, 'pack:web/openstack').params['system']).toEqual({
      architecture: 'amd64',
      title: 'Ubuntu',
      efi_vendor: 'ubuntu',
    });
  });

  it('tells two keys of one mirror apart', async () => {
    using folder = new TemporaryFolder({'keys/mirror.asc': 'a key'});
    const plain: Os = {
      distribution: 'ubuntu',
      release: 'noble',
      architecture: 'amd64',
      mirror: 'http://mirror.example.org/ubuntu',
    };
    const made = await plan([image({name: 'one', os}), image({name: 'two', os: plain})], folder.path);
    const archives = made.nodes.filter(({kind}) => kind === 'archive').map(({id}) => id);
    expect(archives).toEqual(['archive:ubuntu-noble', expect.stringMatching(/^archive:ubuntu-noble-.{8}$/)]);
  });
});
