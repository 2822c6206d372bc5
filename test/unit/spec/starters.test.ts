import {copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {answersOf, withAnswers} from '../../../src/cli/init-spec.ts';
import {packageRoot} from '../../../src/package-root.ts';
import {planImages} from '../../../src/plan/plan.ts';
import {formatDiagnostics} from '../../../src/spec/diagnostic.ts';
import {distributions} from '../../../src/spec/distributions.ts';
import {loadSpec} from '../../../src/spec/load.ts';
import {starterFiles, starterPath, starters} from '../../../src/spec/starters.ts';
import {readTemplate} from '../../../src/spec/template.ts';
import {targetFinder} from '../../../targets/registry.ts';
import {ProjectFolder} from './helpers.ts';

/** A project of a starter, as `fgimage init` makes it. */
function projectOf(name: string, text: string): ProjectFolder {
  const project = new ProjectFolder({'fgimage.yaml': text});
  for (const {path, from} of starterFiles(name)) {
    mkdirSync(dirname(join(project.dir, path)), {recursive: true});
    copyFileSync(from, join(project.dir, path));
  }
  return project;
}

async function loaded(project: ProjectFolder, profiles?: readonly string[]) {
  const result = await loadSpec({file: 'fgimage.yaml', cwd: project.dir, profiles});
  if (!result.ok) throw new Error(formatDiagnostics(result.error));
  return result.value;
}

it('the index names every starter, and no other; folders belong to one', () => {
  const folder = join(packageRoot, 'templates/starters');
  const names = starters().map(({name}) => name);
  const files = readdirSync(folder, {withFileTypes: true});
  const specs = files.flatMap(({name}) => (name.endsWith('.yaml') ? [name.slice(0, -5)] : []));
  expect(specs.sort()).toEqual(names.toSorted());
  const folders = files.filter((entry) => entry.isDirectory()).map(({name}) => name);
  expect(folders.filter((name) => !names.includes(name))).toEqual([]);
  expect(distributions()).not.toContain('starters');
});

describe.each(starters())('the starter $name', ({name, package_managers: managers}) => {
  const text = readFileSync(starterPath(name), 'utf8');

  it('is valid with each of its profiles, and can be planned', async () => {
    using project = projectOf(name, text);
    const spec = await loaded(project);
    expect(spec.warnings).toEqual([]);
    const types = spec.images.flatMap(({targets}) => targets.map(({type}) => type));
    const {nodes, deliveries} = await planImages({
      ...{images: spec.images, projectDir: project.dir, test: true, onlyImages: [], onlyTargets: []},
      targetOfType: await targetFinder(project.dir, types),
      archiveOf: () => ({main: 'http://mirror.example.org/debian'}),
      environment: {},
    });
    expect(deliveries.length).toBeGreaterThan(0);
    expect(nodes.some(({kind}) => kind === 'pack')).toBe(true);
    const profiles = /^profiles:\n(?<body>(?: .*\n)*)/m.exec(text)?.groups?.['body'] ?? '';
    for (const [, profile = ''] of profiles.matchAll(/^ {2}([a-z]+):/gm))
      expect((await loaded(project, [profile])).profiles).toEqual([profile]);
  });

  it('is valid with every distribution, release and target that it can be asked for', async () => {
    for (const distribution of distributions()) {
      const {package_manager: manager, releases} = readTemplate(distribution);
      if (!managers.includes(manager)) continue;
      for (const release of Object.keys(releases)) {
        const targets = manager === 'apt' ? ['hpc', 'oci'] : ['openstack', 'oci'];
        const answers = {name: 'mine', distribution, release, targets};
        const mirror = manager === 'apt' ? undefined : 'https://mirror.example.org/repository';
        const written = withAnswers(text, {...answers, mirror});
        expect(answersOf(written)).toEqual(answers);
        using project = projectOf(name, written);
        const spec = await loaded(project);
        expect(spec.name).toBe('mine');
        const isPreset = release === answersOf(text).release;
        if (!isPreset) expect(new Set(spec.images.map(({os}) => os.release))).toEqual(new Set([release]));
      }
    }
  });
});

describe('withAnswers', () => {
  it('changes what was answered and nothing else', () => {
    const text = `# A comment
version: 1
name: web # its name
os:
  distribution: debian
  release: bookworm # until 2028
targets:
  openstack:
    format: qcow2
  hpc:

# The end
tests: []
`;
    const answers = {name: '007', distribution: 'debian', release: '13', targets: ['tarball', 'openstack']};
    expect(withAnswers(text, answers)).toBe(`# A comment
version: 1
name: "007" # its name
os:
  distribution: debian
  release: "13" # until 2028
targets:
  tarball:
  openstack:
    format: qcow2

# The end
tests: []
`);
    expect(withAnswers(text, answersOf(text))).toBe(text);
  });
});

it('files that go with a starter are there', () => {
  const files = starterFiles('chef');
  expect(files.map(({path}) => path)).toContain('cookbooks/base/recipes/default.rb');
  expect(files.every(({from}) => existsSync(from))).toBe(true);
  expect(starterFiles('minimal')).toEqual([]);
});
