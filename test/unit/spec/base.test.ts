import {describe, expect, it} from 'vitest';
import {formatDiagnostics} from '../../../src/spec/diagnostic.ts';
import {loadSpec} from '../../../src/spec/load.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

async function load(rest: string): Promise<ReturnType<typeof loadSpec>> {
  using project = new TemporaryFolder({
    'fgimage.yaml': `version: 1
name: web
os: {distribution: debian, release: bookworm}
targets: [tarball]
${rest}`,
    'images/root.tar': 'an archive',
    'layout/index.json': '{}',
  });
  return await loadSpec({file: 'fgimage.yaml', cwd: project.path});
}

const digest = 'ab'.repeat(32);

async function complaints(rest: string): Promise<string> {
  const loaded = await load(rest);
  return loaded.ok ? '' : formatDiagnostics(loaded.error);
}

describe('base', () => {
  it.each([
    ['a file', 'import: ./images//root.tar', {import: 'images/root.tar'}],
    ['a folder with its digest', `import: layout/, sha256: "${digest}"`, {import: 'layout', sha256: digest}],
    [
      'a digest in a registry',
      `import: "oci:registry.example.org/team/root@sha256:${digest}"`,
      {import: `oci:registry.example.org/team/root@sha256:${digest}`, sha256: digest},
    ],
    [
      'a tag with its digest beside it',
      `import: "oci:registry.example.org/root:v1", sha256: ${digest}`,
      {import: 'oci:registry.example.org/root:v1', sha256: digest},
    ],
  ])('takes %s', async (_, written, base) => {
    const loaded = await load(`base: {${written}}\n`);
    expect(loaded.ok ? loaded.value.images[0]?.base : formatDiagnostics(loaded.error)).toEqual(base);
  });

  it.each([
    ['a tag alone', 'import: "oci:registry.example.org/root:v1"', 'may be another image tomorrow'],
    ['no registry', 'import: "oci:root:v1", sha256: "ab"', 'is not a SHA-256'],
    [
      'a short name',
      `import: "oci:debian:12", sha256: "${digest}"`,
      'is no image in a registry: it names no registry',
    ],
    [
      'two digests',
      `import: "oci:registry.example.org/root@sha256:${'cd'.repeat(32)}", sha256: "${digest}"`,
      'name two images',
    ],
    ['a file that is not there', 'import: images/rot.tar', 'There is no "images/rot.tar" in the project'],
    ['a file outside', 'import: ../root.tar', 'leaves the project'],
  ])('refuses %s, with its place', async (_, written, message) => {
    const text = await complaints(`base: {${written}}\n`);
    expect(text).toContain(message);
    expect(text).toMatch(/fgimage\.yaml:5:\d+/);
  });

  it('is not inherited by an image that is built on another, which cannot have one', async () => {
    const images = (own: string): string =>
      `base: {import: images/root.tar}\nimages:\n  below: {}\n  above: {from: below${own}}\n`;
    const loaded = await load(images(''));
    if (!loaded.ok) throw new Error(formatDiagnostics(loaded.error));
    expect(loaded.value.images.map(({name, base}) => [name, base?.import])).toEqual([
      ['below', 'images/root.tar'],
      ['above', undefined],
    ]);
    expect(await complaints(images(', base: {import: images/root.tar}'))).toContain(
      'The image has both `from` and `base`',
    );
  });
});
