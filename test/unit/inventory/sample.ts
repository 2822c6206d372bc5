import type {DocumentSource} from '../../../src/inventory/document.ts';
import type {Inventory, InventoryPackage} from '../../../src/inventory/inventory.ts';

/** A package with what the test says. */
export function samplePackage(parts: Partial<InventoryPackage> = {}): InventoryPackage {
  const {name = 'tool', version = '1.0-1'} = parts;
  return {
    name,
    version,
    architecture: 'amd64',
    source: {name, version},
    section: 'utils',
    priority: 'optional',
    maintainer: 'Jane Doe <jane@example.org>',
    essential: false,
    automatic: false,
    licences: [],
    depends: [],
    installed_size_kib: 10,
    ...parts,
  };
}

/** A small image with every kind of thing in it. */
export function sampleSource(parts: Partial<Inventory> = {}): DocumentSource {
  const inventory: Inventory = {
    version: 1,
    os: {
      id: 'debian',
      version_id: '12',
      codename: 'bookworm',
      name: 'Debian GNU/Linux 12 (bookworm)',
      architecture: 'amd64',
    },
    packages: [
      samplePackage({
        name: 'libstdc++6',
        version: '1:12.2~rc1-14+b1',
        source: {name: 'gcc-12', version: '12.2~rc1-14'},
        maintainer: 'Debian GCC Maintainers <debian-gcc@example.org>',
        homepage: 'not a URI',
        licences: ['LicenseRef-permissive', 'MIT'],
      }),
      samplePackage({
        name: 'tool',
        homepage: 'https://tool.example.org/?a=%5B1%5D#top',
        depends: ['libstdc++6', 'gone'],
        licences: ['Artistic-1.0 OR LicenseRef-permissive', 'GPL-3.0-or-later WITH Bison-exception-2.2'],
        deb: {path: 'pool/main/t/tool/tool_1.0-1_amd64.deb', sha256: 'ab'.repeat(32)},
      }),
      samplePackage({name: 'tzdata', version: '2024a', architecture: 'all', maintainer: ''}),
    ],
    kernels: ['6.1.0-1-amd64'],
    users: [],
    groups: [],
    units: [],
    setuid: [],
    files: {
      unowned: [
        {
          path: '/etc/hostname',
          type: 'file',
          mode: '0644',
          uid: 0,
          gid: 0,
          size_bytes: 4,
          sha256: 'cd'.repeat(32),
        },
        {path: '/etc/mtab', type: 'link', mode: '0777', uid: 0, gid: 0, target: '../proc/self/mounts'},
        {
          path: '/opt/ä b',
          type: 'file',
          mode: '0755',
          uid: 0,
          gid: 0,
          size_bytes: 0,
          sha256: 'ef'.repeat(32),
        },
      ],
      changed: [],
    },
    size: {bytes: 100, files: 2, links: 1, folders: 3, packages_kib: 30},
    ...parts,
  };
  return {
    inventory,
    epoch: 1686355200,
    named: new Map([
      ['libstdc++6', [{ref: 'LicenseRef-permissive', name: 'permissive', text: 'One text.'}]],
      ['tool', [{ref: 'LicenseRef-permissive', name: 'permissive', text: 'Another text.'}]],
    ]),
    sha1: new Map([
      ['/etc/hostname', '12'.repeat(20)],
      ['/opt/ä b', '34'.repeat(20)],
    ]),
  };
}
