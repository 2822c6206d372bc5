import {existsSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {packageRoot} from '../../src/package-root.ts';
import type {RunEvent} from '../../src/run/events.ts';
import {Rig} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {until} from './until.ts';

/** The example of docs/guide/own-target.md: its shelf is an infrastructure of its own. */
const example = join(packageRoot, 'docs/guide/own-target');
const read = (path: string): string =>
  readFileSync(join(example, path), 'utf8').replace(
    'release: bookworm',
    'release: bookworm\n  mirror: http://127.0.0.1:9/debian',
  );
const exampleFiles = {
  'fgimage.yaml': read('fgimage.yaml'),
  'targets/shelf/index.mjs': read('targets/shelf/index.mjs'),
  'targets/shelf/register.mjs': read('targets/shelf/register.mjs'),
};
/** No policy of a site, and none of fgimage's own, is asked. */
const openPolicy = 'policy: {level: off, tests: optional}\n';

async function built(files: Readonly<Record<string, string>> = {}): Promise<Rig> {
  const rig = new Rig({
    ...exampleFiles,
    'fgimage.yaml': `${exampleFiles['fgimage.yaml']}${openPolicy}`,
    ...files,
  });
  fakeAllTools(rig);
  await seedCache(rig, {packages: ['systemd-sysv'], test: false});
  return rig;
}

const shelf = (rig: Rig): readonly string[] => {
  const folder = rig.join('project/shelf');
  return existsSync(folder) ? readdirSync(folder).sort() : [];
};

const events = (text: string): readonly RunEvent[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as RunEvent);

describe('fgimage register', () => {
  it('says first what it would do, puts the image there, and then finds nothing to do', async () => {
    await using rig = await built();
    const plan = await rig.run(['register', '--plan', '--detailed-exitcode']);
    expect(plan).toMatchObject({code: 10, stderr: ''});
    expect(plan.stdout).toMatch(
      /^web\/shelf at file:\/\/\S+\/shelf\n {2}\+ create web-[0-9a-f]{12}, digest [0-9a-f]{12}\n$/,
    );
    expect(shelf(rig)).toEqual([]);

    const first = await rig.run(['register', 'web', 'shelf']);
    expect(first).toMatchObject({code: 0, stderr: ''});
    expect(first.stdout).toMatch(
      /\[register:web\/shelf\] registered as web-[0-9a-f]{12} \(web-[0-9a-f]{12}\) at file:/,
    );
    expect(shelf(rig)).toEqual([
      expect.stringMatching(/^web-[0-9a-f]{12}\.json$/),
      expect.stringMatching(/^web-[0-9a-f]{12}\.tar\.zst$/),
    ]);

    const second = await rig.run(['register', '--json']);
    expect(events(second.stdout).find(({type}) => type === 'registration-finished')).toMatchObject({
      did: 'kept',
    });
    expect(await rig.run(['register', '--plan', '--detailed-exitcode'])).toMatchObject({code: 0});
  });

  it('changes what differs in place, and tells what', async () => {
    await using rig = await built();
    await rig.run(['register']);
    rig.write({'fgimage.yaml': read('fgimage.yaml').replace('the workshop', 'the lab') + openPolicy});
    const plan = await rig.run(['register', '--plan']);
    expect(plan.stdout).toContain('note: for the workshop → for the lab');
    const run = await rig.run(['register']);
    expect(run.stdout).toContain('updated (note) as web-');
    expect(readFileSync(rig.join('project/shelf', shelf(rig)[0] ?? ''), 'utf8')).toContain('for the lab');
  });

  it('refuses a name that somebody else has, and says whose it is', async () => {
    await using rig = await built({
      'fgimage.yaml':
        read('fgimage.yaml').replace('folder: shelf', 'folder: shelf\n      name: web') + openPolicy,
    });
    const label = {name: 'web', mark: {digest: 'x', lineage: 'a/b/c'}, properties: {}, ready: true};
    rig.write({'shelf/web.json': JSON.stringify(label)});
    const run = await rig.run(['register']);
    expect(run.code).toBe(4);
    expect(run.stdout).toMatch(
      /file:\S+ has the name web already: web is an image of a\/b\/c\n {2}hint: Choose another name/,
    );
    expect(JSON.parse(readFileSync(rig.join('project/shelf/web.json'), 'utf8'))).toEqual(label);
  });

  it('goes on after a kill with what was begun', async () => {
    await using rig = await built({
      // Stops in the middle of the upload as long as the file `hold` is there.
      'targets/shelf/register.mjs': exampleFiles['targets/shelf/register.mjs'].replace(
        'const part =',
        `const {existsSync} = await import('node:fs');
      while (existsSync(join(projectDir, 'hold'))) await new Promise((go) => setTimeout(go, 20));
      const part =`,
      ),
      hold: '',
    });
    const running = rig.start(['register']);
    await until(() => shelf(rig).length > 0);
    running.kill('SIGKILL');
    await running.ended;
    const pending = await rig.run(['registrations', '--json']);
    expect(JSON.parse(pending.stdout)).toMatchObject([{state: 'begun', image: 'web', target: 'shelf'}]);
    const plan = await rig.run(['register', '--plan']);
    expect(plan.stdout).toContain('+ finish the upload of web-');

    rmSync(rig.join('project/hold'));
    const again = await rig.run(['register']);
    expect(again).toMatchObject({code: 0, stderr: ''});
    expect(again.stdout).toContain('registered (upload resumed) as web-');
    const rows = JSON.parse(
      (await rig.run(['registrations', '--all', '--json'])).stdout,
    ) as readonly unknown[];
    expect(rows).toMatchObject([{state: 'registered'}]);
  });

  it('is a part of a build that asks for it', async () => {
    await using rig = await built();
    const build = await rig.run(['build', '--register']);
    expect(build).toMatchObject({code: 0, stderr: ''});
    expect(build.stdout).toContain('[register:web/shelf] registered as web-');
    expect(existsSync(rig.join('project/artifacts/web/shelf/manifest.json'))).toBe(true);
  });

  it('refuses targets that nothing registers, and names that are not there', async () => {
    await using rig = await built({
      'fgimage.yaml': `${read('fgimage.yaml')}  tarball: {}\n${openPolicy}`,
    });
    expect(await rig.run(['register', 'web', 'tarball'])).toMatchObject({
      code: 2,
      stderr:
        'error: The target tarball (tarball) makes files, and nothing registers those\n  mend: Take them from the output folder\n',
    });
    const absent = await rig.run(['register', 'web', 'shelv']);
    expect(absent.code).toBe(2);
    expect(absent.stderr).toContain('There is no target shelv');
  });
});

describe('fgimage registrations --check', () => {
  it('tells what somebody did behind our back', async () => {
    await using rig = await built();
    expect((await rig.run(['registrations'])).stdout).toBe('Nothing is registered\n');
    await rig.run(['register']);
    expect(await rig.run(['registrations', '--check'])).toMatchObject({code: 0, stderr: ''});
    const label = rig.join('project/shelf', shelf(rig)[0] ?? '');
    const written = readFileSync(label, 'utf8');

    writeFileSync(label, written.replace('for the workshop', 'for sale'));
    const altered = await rig.run(['registrations', '--check']);
    expect(altered.code).toBe(1);
    expect(altered.stdout).toMatch(/web +shelf +altered/);
    expect(altered.stdout).toContain('note: for the workshop → for sale');

    writeFileSync(label, written.replace(/"lineage":"[^"]*"/, '"lineage":"x/y/z"'));
    expect((await rig.run(['registrations', '--check'])).stdout).toContain('it has lost its mark');

    rmSync(label);
    const gone = await rig.run(['registrations', '--check', '--json']);
    expect(gone.code).toBe(1);
    expect(JSON.parse(gone.stdout)).toMatchObject([{check: {state: 'gone', detail: 'somebody deleted it'}}]);
  });
});

describe('fgimage deregister', () => {
  it('takes away what was registered, without the spec, and nothing else', async () => {
    await using rig = await built();
    await rig.run(['register']);
    rig.write({'fgimage.yaml': 'nothing: here\n', 'shelf/other.json': '{}', 'shelf/other.tar.zst': ''});
    const dry = await rig.run(['deregister', 'web', '--dry-run']);
    expect(dry.stdout).toMatch(/^would take away web\/shelf: web-[0-9a-f]{12}/);
    const run = await rig.run(['deregister', 'web', 'shelf']);
    expect(run).toMatchObject({code: 0, stderr: ''});
    expect(run.stdout).toMatch(/^took away web\/shelf: web-[0-9a-f]{12}/);
    expect(shelf(rig)).toEqual(['other.json', 'other.tar.zst']);
    const again = await rig.run(['deregister', 'web']);
    expect(again).toMatchObject({code: 2});
    expect(again.stderr).toContain('No registration of web is in the catalog');
  });
});

describe("a target of the project's own", () => {
  it.each([
    ['has no module', {'targets/shelf/index.mjs': undefined}, /"shelf" is not a target type/],
    [
      'is not JavaScript',
      {'targets/shelf/index.mjs': 'export const target = {'},
      /fgimage\.yaml:8:3: error: targets\/shelf\/index\.mjs cannot be loaded: Unexpected end of input/,
    ],
    [
      'exports nothing',
      {'targets/shelf/index.mjs': ''},
      /targets\/shelf\/index\.mjs exports no target: it: Invalid input/,
    ],
    [
      'gives a plan with a wrong field',
      {'targets/shelf/index.mjs': read('targets/shelf/index.mjs').replace("kind: 'tar'", "kind: 'zip'")},
      /pack\(\) of targets\/shelf\/index\.mjs gives no plan: kind: Invalid/,
    ],
    [
      'throws',
      {
        'targets/shelf/index.mjs': read('targets/shelf/index.mjs').replace(
          'boot: () => []',
          'boot: () => nothing.there',
        ),
      },
      /targets\/shelf\/index\.mjs fails in boot\(\): nothing is not defined \(index\.mjs:\d+:\d+\)/,
    ],
    [
      'gets an option that it does not know',
      {'fgimage.yaml': read('fgimage.yaml').replace('level: 9', 'levle: 9')},
      /fgimage\.yaml:9:5: error: [\s\S]*`level`/,
    ],
  ])('is told with its place in the spec where it %s', async (_, files, pattern) => {
    const given = Object.entries({...exampleFiles, ...files}).filter(([, text]) => text !== undefined);
    await using rig = new Rig(Object.fromEntries(given) as Record<string, string>);
    const run = await rig.run(['plan']);
    expect(run.code).toBe(2);
    expect(run.stderr).toMatch(pattern);
    expect(run.stderr).not.toContain('    at ');
  });
});
