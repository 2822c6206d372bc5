import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {Rig} from './rig.ts';
import {fakeAllTools, seedCache} from './seed.ts';
import {spec} from './specs.ts';

const web = spec('packages: [curl]\ntargets: {hpc: {}}\n');
const both = spec(`targets: {hpc: {}}
images:
  web: {packages: [curl]}
  api: {packages: [jq, curl]}
`);

/** A cache with an image, in the history of one build; the spec has another image since. */
let rig: Rig;

beforeAll(async () => {
  rig = new Rig({'fgimage.yaml': web});
  fakeAllTools(rig);
  await seedCache(rig, {packages: ['curl', 'jq'], test: false});
  expect(await rig.run(['build', '--no-test'])).toMatchObject({code: 0, stderr: ''});
  rig.write({'fgimage.yaml': both});
});

afterAll(() => rig[Symbol.asyncDispose]());

async function plan(...words: readonly string[]): Promise<string> {
  const {code, stdout, stderr} = await rig.run(['plan', 'api', '--no-test', ...words]);
  expect({code, stderr}).toEqual({code: 0, stderr: ''});
  return stdout;
}

describe('fgimage plan, of an image that has what another has and more', () => {
  it('clones it, and with --from-scratch says what could be cloned', async () => {
    const cloned = await plan();
    expect(cloned).toMatch(/^hit +customize:api\/shared$/m);
    expect(cloned).toContain(
      'bases\n  api  cloned  customize:web/packages has 1 of 2 packages on the same layers\n',
    );
    const scratch = await plan('--from-scratch');
    expect(scratch).toContain(
      'bases\n  api  from scratch  --from-scratch; customize:web/packages has 1 of 2 packages\n',
    );
    expect(scratch).not.toContain('customize:api/shared');
  });

  it('follows cache.clone_bases, and tells the choice as JSON', async () => {
    rig.write({'fgimage.yaml': `${both}cache: {clone_bases: false}\n`});
    expect(await plan()).toContain('  api  from scratch  cache.clone_bases is false; customize:web');
    rig.write({'fgimage.yaml': both});
    const {bases} = JSON.parse(await plan('--json')) as {readonly bases: unknown};
    expect(bases).toEqual([
      {
        image: 'api',
        stage: 'customize:api/packages',
        choice: 'clone',
        from: 'customize:web/packages',
        has: 1,
        wanted: 2,
        candidates: 1,
        reason: 'customize:web/packages has 1 of 2 packages on the same layers',
      },
    ]);
  });
});

describe('fgimage stats bases', () => {
  it('counts what became of bases', async () => {
    expect(await rig.run(['stats', 'bases'])).toEqual({
      code: 0,
      signal: null,
      stdout: `base                        hits  misses   rate  last missed
base:debian-bookworm-amd64     1       0  100 %

packages: installed 0 times, 0 on what another image has of them
`,
      stderr: '',
    });
    const {stdout} = await rig.run(['stats', 'bases', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      bases: [{base: 'base:debian-bookworm-amd64', hits: 1, misses: 0, os: {release: 'bookworm'}}],
      clones: {cloned: 0, fromScratch: 0},
    });
    expect(await rig.run(['stats', 'cakes'])).toMatchObject({
      code: 2,
      stderr:
        'error: There are no statistics of cakes\n  mend: Run "fgimage stats", or "fgimage stats bases"\n',
    });
  });
});

describe('fgimage prewarm', () => {
  it('makes what was missed, and says what became of it', async () => {
    await using missed = new Rig({'fgimage.yaml': web});
    fakeAllTools(missed);
    expect(await missed.run(['prewarm'])).toMatchObject({
      code: 0,
      stdout: 'No base was missed that could be made here\n',
    });
    await seedCache(missed, {packages: ['curl'], test: false});
    // Its mmdebstrap fails: the base is missed, and missed again.
    const failed = await missed.run(['build', '--no-test', '--force', 'base:debian-bookworm-amd64']);
    expect(failed.code).toBe(1);
    const {code, stdout} = await missed.run(['prewarm', '--top', '1']);
    expect({code, stdout}).toEqual({
      code: 0,
      stdout: 'base:debian-bookworm-amd64: in the cache already, missed 1 time\n',
    });
  });
});
