import {symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, test} from 'vitest';
import {loadSpec} from '../../../src/spec/load.ts';
import {complaints, head, image, load, ProjectFolder} from './helpers.ts';

/** The images of a spec with some of its profiles. */
async function withProfiles(files: string | Readonly<Record<string, string>>, profiles?: readonly string[]) {
  using project = new ProjectFolder(typeof files === 'string' ? {'fgimage.yaml': files} : files);
  const result = await loadSpec({file: 'fgimage.yaml', cwd: project.dir, profiles});
  if (!result.ok) throw new Error(result.error.map(({message}) => message).join('; '));
  return result.value;
}

function packages(spec: Awaited<ReturnType<typeof withProfiles>>, name = 'web'): readonly string[] {
  return image(spec, name).packages.map((one) => one.name);
}

describe('extends', () => {
  test('takes a list of files, the later over the earlier', async () => {
    const spec = await load({
      'fgimage.yaml': 'version: 1\nextends: [a.yaml, b.yaml]\nname: web\npackages: [vim]\n',
      'a.yaml':
        'version: 1\nname: a\ntimezone: UTC\npackages: [jq]\nos: {distribution: debian, release: bookworm}\n',
      'b.yaml': 'version: 1\nname: b\nhostname: b\npackages: [curl]\nos: {release: trixie}\n',
    });
    const web = image(spec, 'web');
    expect(web).toMatchObject({hostname: 'b', timezone: 'UTC', os: {release: 'trixie'}});
    expect(web.packages.map(({name}) => name)).toEqual(['jq', 'curl', 'vim']);
    expect(spec.files.map(({path}) => path.split('/').at(-1))).toEqual(['fgimage.yaml', 'a.yaml', 'b.yaml']);
  });

  test('reads a file once that is extended twice', async () => {
    const spec = await load({
      'fgimage.yaml': 'version: 1\nextends: [a.yaml, b.yaml]\nname: web\n',
      'a.yaml': 'version: 1\nextends: base.yaml\n',
      'b.yaml': 'version: 1\nextends: [base.yaml]\n',
      'base.yaml': `${head}write_files: [{path: /a, content: a, append: true}]\n`,
    });
    expect(image(spec, 'web').write_files).toHaveLength(1);
  });

  test('takes a starter, which is no file of the project', async () => {
    const spec = await load('version: 1\nextends: fgimage:minimal\nname: web\nos: {release: trixie}\n');
    expect(image(spec, 'web').packages.map(({name}) => name)).toContain('openssh-server');
    expect(spec.files[1]).toMatchObject({starter: 'minimal'});
    expect(spec.locate('web', ['packages', 0])?.file).toBe('fgimage:minimal');
  });
});

test('a symbolic link to what is not there is told as such', async () => {
  using project = new ProjectFolder({'fgimage.yaml': 'version: 1\nextends: base.yaml\nname: web\n'});
  symlinkSync('gone.yaml', join(project.dir, 'base.yaml'));
  const result = await loadSpec({file: 'fgimage.yaml', cwd: project.dir});
  expect(result.ok ? [] : result.error.map(({message, hint}) => `${message}: ${hint}`)).toEqual([
    '"base.yaml" is a symbolic link to what is not there: Mend the link, or name a file that is there',
  ]);
});

describe('profiles', () => {
  const spec = `${head}packages: [curl]
targets: [openstack, hpc]
profiles:
  dev:
    packages: [gdb]
    targets: {hpc: false}
  gpu: {packages: [nvtop], hostname: gpu}
  quiet:
`;

  test('are merged over the spec in the order in which they are chosen', async () => {
    const plain = await withProfiles(spec);
    expect(plain.profiles).toEqual([]);
    expect(packages(plain)).toEqual(['curl']);

    const both = await withProfiles(spec, ['gpu', 'dev', 'gpu']);

    expect(both.profiles).toEqual(['gpu', 'dev']);
    expect(packages(both)).toEqual(['curl', 'nvtop', 'gdb']);
    expect(image(both, 'web')).toMatchObject({hostname: 'gpu', targets: [{name: 'openstack'}]});
    expect(both.locate('web', ['packages', 2])).toMatchObject({line: 8, column: 16});
    expect(packages(await withProfiles(spec, ['quiet']))).toEqual(['curl']);
  });

  test('with `default: true` count where none is chosen', async () => {
    const text = spec.replace('gpu: {', 'gpu: {default: true, ');
    expect((await withProfiles(text)).profiles).toEqual(['gpu']);
    expect((await withProfiles(text, ['dev'])).profiles).toEqual(['dev']);
    expect((await withProfiles(text, [])).profiles).toEqual([]);
  });

  test('change single images, and come from all files', async () => {
    const loaded = await withProfiles(
      {
        'fgimage.yaml':
          'version: 1\nextends: base.yaml\nname: web\nimages: {a: , b: }\nprofiles: {dev: {images: {a: {packages: [strace]}, c: }}}\n',
        'base.yaml': `${head}profiles: {dev: {packages: [gdb]}}\n`,
      },
      ['dev'],
    );
    expect(packages(loaded, 'a')).toEqual(['gdb', 'strace']);
    expect(packages(loaded, 'b')).toEqual(['gdb']);
    expect(packages(loaded, 'c')).toEqual(['gdb']);
  });

  test.each([
    ['dve', 'Did you mean dev?'],
    ['x', 'Its profiles are dev, gpu, quiet'],
    ['dev, gpu', 'Repeat the flag: --profile dev --profile gpu'],
  ])('that are not there are refused: %s', async (name, hint) => {
    using project = new ProjectFolder({'fgimage.yaml': spec});
    await expect(
      loadSpec({file: join(project.dir, 'fgimage.yaml'), profiles: ['gpu', name]}),
    ).rejects.toMatchObject({
      ...{code: 'USAGE', message: `There is no profile "${name}" in fgimage.yaml`, hint},
    });
  });

  test('that nobody chose are held against the schema all the same', async () => {
    expect(await complaints(`${head}profiles: {dev: {packages: gdb}}\n`)).toEqual([
      '4: profiles.dev.packages is the text "gdb", wanted is a list',
    ]);
  });
});

describe('matrix', () => {
  const names = async (text: string): Promise<readonly string[]> =>
    (await load(`${head}${text}`)).images.map(({name}) => name);

  test('varies releases, architectures and variants, and names images by what varies', async () => {
    expect(await names('matrix: {architecture: [x86_64, arm64]}\n')).toEqual(['web-amd64', 'web-arm64']);
    expect(
      await names(
        'matrix: {release: [bookworm, "13"], architecture: [amd64, aarch64], variant: {a: , b: }}\n',
      ),
    ).toEqual([
      ...['web-bookworm-amd64-a', 'web-bookworm-amd64-b', 'web-bookworm-arm64-a', 'web-bookworm-arm64-b'],
      ...['web-trixie-amd64-a', 'web-trixie-amd64-b', 'web-trixie-arm64-a', 'web-trixie-arm64-b'],
    ]);
  });

  test('leaves out and adds combinations', async () => {
    const text = `matrix:
  release: [bookworm, trixie]
  architecture: [amd64, arm64]
  exclude: [{release: "13", architecture: arm64}]
  include: [{release: bullseye, architecture: amd64}]
`;
    expect(await names(text)).toEqual([
      ...['web-bookworm-amd64', 'web-bookworm-arm64', 'web-trixie-amd64', 'web-bullseye-amd64'],
    ]);
  });

  test('lays a variant over its image', async () => {
    const spec = await load(`${head}packages: [curl]
targets: [openstack, hpc]
matrix:
  variant:
    plain:
    gpu: {packages: [nvtop, curl], hostname: gpu, targets: {openstack: false}}
`);
    expect(image(spec, 'web-plain').packages.map(({name}) => name)).toEqual(['curl']);
    const gpu = image(spec, 'web-gpu');
    expect(gpu.packages.map(({name}) => name)).toEqual(['curl', 'nvtop']);
    expect(gpu).toMatchObject({hostname: 'gpu', targets: [{name: 'hpc'}]});
    expect(spec.locate('web-gpu', ['packages', 1])).toMatchObject({line: 9});
  });

  test('gives an image its counterpart to build on, which has the variant already', async () => {
    const spec = await load(`${head}targets: [hpc]
images:
  app: {from: base, packages: [nginx]}
  base:
    packages: [curl]
    matrix: {release: [bookworm, trixie], variant: {plain: , gpu: {packages: [nvtop]}}}
`);
    const app = image(spec, 'app-trixie-gpu');
    expect(app).toMatchObject({from: 'base-trixie-gpu', os: {release: 'trixie'}});
    expect(app.packages.map(({name}) => name)).toEqual(['nginx']);
    expect(image(spec, 'base-trixie-gpu').packages.map(({name}) => name)).toEqual(['curl', 'nvtop']);
  });

  test('with one axis more than its parent builds on the same one several times', async () => {
    const spec = await load(`${head}targets: [hpc]
images:
  base: {matrix: {release: [bookworm, trixie]}}
  app: {from: base, matrix: {release: [trixie], variant: {small: , large: {packages: [nginx]}}}}
`);
    expect(spec.images.filter(({from}) => from === 'base-trixie').map(({name}) => name)).toEqual([
      ...['app-trixie-small', 'app-trixie-large'],
    ]);
  });

  test('reports an image that is there twice, and one that is included though it is there', async () => {
    expect(
      await complaints(`${head}matrix: {architecture: [amd64, x86_64], include: [{architecture: amd64}]}\n`),
    ).toEqual(['4: Two images are named "web-amd64"', '4: The matrix has this image already']);
  });
});
