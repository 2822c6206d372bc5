import {execFileSync} from 'node:child_process';
import {readdirSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {BundleManifest} from '../../src/lock/bundle-manifest.ts';
import {Project} from './real-build.ts';

const files = {
  'fgimage.yaml': `version: 1
name: box
os: {distribution: debian, release: bookworm}
packages: [jq]
copy: [{source: tree, path: /opt/tree/}]
provision: [{shell: setup.sh}]
targets: {tarball: {compression_level: 1}}
`,
  'tree/file': 'in a tree',
  'setup.sh': 'jq --version > /etc/jq-version\n',
};

/** A network namespace without any interface that is up. */
const withoutNetwork = {by: ['unshare', '--net', '--']} as const;

async function run(
  project: Project,
  words: readonly string[],
  options: {readonly by?: readonly string[]} = {},
): Promise<string> {
  const running = project.start(words, options);
  const code = await running.end;
  if (code !== 0)
    throw new Error(`${words.join(' ')} ended with ${String(code)}\n${running.stdout}${running.stderr}`);
  return running.stdout;
}

/** The files of an artifact and their digests. */
function artifact(project: Project, output: string): readonly {path: string; size: number; sha256: string}[] {
  const {files: made} = project.json(`${output}/box/tarball/manifest.json`) as {
    readonly files: readonly {readonly path: string; readonly size_bytes: number; readonly sha256: string}[];
  };
  return made.map(({path, size_bytes: size, sha256}) => ({path, size, sha256}));
}

describe('without a network', () => {
  it('builds after fgimage fetch, and the same bytes from a bundle on a machine that has nothing', async () => {
    const project = new Project('offline');
    project.write(files);
    symlinkSync('file', join(project.folder, 'tree/link'));
    project.sharePackages();
    await run(project, ['lock']);
    expect(await run(project, ['fetch'])).toMatch(/^\d+ packages, \d+ MiB: \d+ here already/);
    project.keepPackages();
    const build = ['build', '--offline', '--locked', '--no-test'];
    await run(project, [...build, '-o', 'artifacts'], withoutNetwork);
    const made = artifact(project, 'artifacts');
    expect(made.map(({path}) => path)).toContain('root.tar.zst');

    await run(project, ['bundle', '-o', 'box.tar', '--offline'], withoutNetwork);
    const manifest = JSON.parse(
      execFileSync('tar', ['-xOf', join(project.folder, 'box.tar'), 'bundle.json'], {encoding: 'utf8'}),
    ) as BundleManifest;
    expect(manifest.artifacts).toEqual([{image: 'box', target: 'tarball', files: made}]);
    expect(manifest.links).toEqual([{path: 'tree/link', target: 'file'}]);

    const elsewhere = new Project('elsewhere');
    const boxed = ['build', '--bundle', join(project.folder, 'box.tar'), '--no-test', '-o', 'out'];
    const told = await run(elsewhere, boxed, withoutNetwork);
    expect(told).toContain('box/tarball: the same, byte for byte, as where the bundle was made\n');
    expect(artifact(elsewhere, 'out')).toEqual(made);
    expect(readdirSync(elsewhere.folder).sort()).toEqual(['cache', 'out']);
  });
});
