import {expect, test} from 'vitest';
import {shellStep} from '../../rig/images.ts';
import {complaints, head, image, load} from './helpers.ts';

const base = `version: 1
os: {distribution: debian, release: bookworm}
packages: [curl, jq]
services: {enable: [ssh]}
kernel: {cmdline: quiet}
hostname: base
write_files: [{path: /etc/a, content: a}]
targets: {openstack: {format: raw}, hpc: }
`;

test('extends joins lists, merges mappings and lets scalars be overridden', async () => {
  const spec = await load({
    'base.yaml': base,
    'fgimage.yaml': `version: 1
name: web
extends: base.yaml
packages: [nginx, curl]
services: {enable: [nginx], mask: [a]}
kernel: {package: linux-image-amd64}
hostname: web
os: {release: trixie}
write_files: [{path: /etc/a, content: b, append: true}]
targets: {openstack: {firmware: uefi}, hpc: false, site: {type: hpc}}
`,
  });

  const web = image(spec, 'web');
  expect(web.packages.map(({name}) => name)).toEqual(['curl', 'jq', 'nginx']);
  expect(web.services).toEqual({enable: ['ssh.service', 'nginx.service'], disable: [], mask: ['a.service']});
  expect(web.kernel).toEqual({cmdline: 'quiet', package: 'linux-image-amd64'});
  expect(web.hostname).toBe('web');
  expect(web.os.release).toBe('trixie');
  expect(web.write_files.map(({content}) => content)).toEqual(['a', 'b']);
  expect(web.targets).toEqual([
    {name: 'openstack', type: 'openstack', options: {format: 'raw', firmware: 'uefi'}},
    {name: 'site', type: 'hpc', options: {compression: 'zstd'}},
  ]);
});

test('extends goes on through several files; their paths are relative to the project', async () => {
  const spec = await load({
    'fgimage.yaml': 'version: 1\nname: web\nextends: lib/a.yaml\n',
    'lib/a.yaml': 'version: 1\nextends: lib/b.yaml\npackages: [a1]\nprovision: [shell: lib/run.sh]\n',
    'lib/b.yaml': 'version: 1\nos: {distribution: debian, release: bookworm}\npackages: [b1]\n',
    'lib/run.sh': 'true\n',
  });

  expect(image(spec, 'web').packages.map(({name}) => name)).toEqual(['b1', 'a1']);
  expect(image(spec, 'web').provision).toEqual([shellStep({file: 'lib/run.sh'})]);
});

test('images take the top-level keys as defaults', async () => {
  const spec = await load(`${head}packages: [curl]
targets: {openstack: {format: raw}, hpc: }
images:
  web: {packages: [nginx], hostname: www, targets: {openstack: }}
  db: {targets: {hpc: false}}
  plain:
`);

  expect(spec.images.map(({name}) => name)).toEqual(['web', 'db', 'plain']);
  expect(image(spec, 'web').packages.map(({name}) => name)).toEqual(['curl', 'nginx']);
  expect(image(spec, 'web').hostname).toBe('www');
  expect(image(spec, 'web').targets.map(({name, options}) => [name, options['format']])).toEqual([
    ['openstack', 'raw'],
    ['hpc', undefined],
  ]);
  expect(image(spec, 'db').targets.map(({name}) => name)).toEqual(['openstack']);
  expect(image(spec, 'plain').packages.map(({name}) => name)).toEqual(['curl']);
});

test('an image with from takes scalars and targets, not lists, and comes after its parent', async () => {
  const spec = await load(`${head}packages: [curl]
hostname: host
services: {enable: [ssh]}
tests: [{port: 22}]
targets: [openstack]
images:
  web: {from: base, packages: [nginx]}
  base: {packages: [jq]}
`);

  expect(spec.images.map(({name, from}) => [name, from])).toEqual([
    ['base', undefined],
    ['web', 'base'],
  ]);
  const web = image(spec, 'web');
  expect(web.packages).toEqual([{name: 'nginx'}]);
  expect(web.services.enable).toEqual([]);
  expect(web.tests).toEqual([]);
  expect(web.hostname).toBe('host');
  expect(web.targets.map(({name}) => name)).toEqual(['openstack']);
});

test('an image with from has the system of its parent', async () => {
  const spec = await load(`${head}images:
  base: {os: {release: trixie}}
  web: {from: base}
  shop: {from: web}
`);

  expect(spec.images.map(({os}) => os.release)).toEqual(['trixie', 'trixie', 'trixie']);
});

test('a matrix makes one image for each release', async () => {
  const spec = await load(`version: 1
name: web
os: {distribution: debian}
matrix: {release: [bookworm, "13"]}
packages: [curl]
`);

  expect(spec.images.map(({name, os}) => [name, os.release])).toEqual([
    ['web-bookworm', 'bookworm'],
    ['web-trixie', 'trixie'],
  ]);
  expect(spec.locate('web-trixie', ['os', 'release'])).toMatchObject({line: 4, column: 30});
});

test('from meets the variant of the same release', async () => {
  const spec = await load(`${head}images:
  base: {matrix: {release: [bookworm, trixie]}}
  web: {from: base}
  new: {from: base, os: {release: trixie}}
`);

  expect(spec.images.map(({name, from}) => [name, from])).toEqual([
    ['base-bookworm', undefined],
    ['base-trixie', undefined],
    ['web-bookworm', 'base-bookworm'],
    ['web-trixie', 'base-trixie'],
    ['new', 'base-trixie'],
  ]);
});

test('locate() finds a value that came from a default or an extended file', async () => {
  const spec = await load({
    'base.yaml': base,
    'fgimage.yaml': `version: 1
name: web
extends: base.yaml
packages:
  - nginx
images:
  web:
    packages: [vim, {name: less, version: "1.0"}]
    storage: {size: 4GiB}
    targets: {openstack: {size: 8GiB}}
`,
  });

  const names = image(spec, 'web').packages.map(({name}) => name);
  expect(names).toEqual(['curl', 'jq', 'nginx', 'vim', 'less']);
  const places = names.map((_, index) => spec.locate('web', ['packages', index]));
  expect(places.map((place) => `${place?.file}:${place?.line}:${place?.column}`)).toEqual([
    'base.yaml:3:12',
    'base.yaml:3:18',
    'fgimage.yaml:5:5',
    'fgimage.yaml:8:16',
    'fgimage.yaml:8:21',
  ]);
  expect(spec.locate('web', ['packages', 4, 'name'])).toMatchObject({line: 8, column: 28, length: 4});
  expect(spec.locate('web', ['packages', 0, 'name'])).toMatchObject({file: 'base.yaml', line: 3, column: 12});
  expect(spec.locate('web', ['storage', 'size_bytes'])).toMatchObject({line: 9, column: 21});
  expect(spec.locate('web', ['targets', 0])).toMatchObject({line: 10, column: 15});
  expect(spec.locate('web', ['targets', 0, 'options', 'size'])).toMatchObject({line: 10, column: 33});
  expect(spec.locate('web', ['targets', 1, 'options', 'compression'])).toMatchObject({
    file: 'base.yaml',
    line: 8,
  });
  expect(spec.locate('nobody', ['packages', 0])).toBeUndefined();
});

test('a repeated package of a base file is no conflict, another version is', async () => {
  expect(await complaints(`${head}packages: [curl, curl]\n`)).toEqual([]);
  expect(
    await complaints(`${head}packages: [{name: jq, version: "1"}, jq, {name: jq, version: "2"}]\n`),
  ).toEqual(['4: jq is wanted in version 1 as well as 2']);
});
