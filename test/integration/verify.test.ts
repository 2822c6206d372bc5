import {chmodSync, existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {digestFile} from '../../cache/tree.ts';
import type {Verdict} from '../../src/cli/verify-text.ts';
import {Project} from './real-build.ts';

const spec = `version: 1
name: verify
os: {distribution: debian, release: bookworm}
targets: {tarball: {compression_level: 1}}
images:
  good:
    provision:
      - shell: good.sh
  bad:
    from: good
    provision:
      # Gives the same layer as the one below.
      - shell: good.sh
      - shell: bad.sh
`;

const files = {
  'fgimage.yaml': spec,
  // As much of the environment as must not count.
  'good.sh': `#!/bin/sh
set -eu
{ hostname; umask; locale; date +%Z; id; pwd; echo "\${TMPDIR-}"; } > /etc/good
`,
  'bad.sh': '#!/bin/sh\nset -eu\necho steady > /etc/steady\ndate +%s%N > /etc/stamp\n',
  // Says what it is asked to compare, at some length.
  'bin/diffoscope': `#!/bin/sh
for word; do last=$before before=$word; done
echo "--- $last"
echo "+++ $before"
yes 'and so on' | head -c 200000
exit 1
`,
};

const project = new Project('verify');

/** Without the tools image, which other tests build: it takes as long as all the rest. */
const words = ['--host-tools'];

function left(): readonly string[] {
  return ['tmp', 'locks'].flatMap((name) => readdirSync(join(project.cache, name)));
}

async function verify(artifact: string, options: readonly string[] = []) {
  const path = `${join(project.folder, 'bin')}:${process.env['PATH'] ?? ''}`;
  const running = project.start(['verify', artifact, ...words, ...options], {by: ['env', `PATH=${path}`]});
  const code = await running.end;
  return {code, stdout: running.stdout, stderr: running.stderr};
}

beforeAll(async () => {
  project.write(files);
  chmodSync(join(project.folder, 'bin/diffoscope'), 0o755);
  project.sharePackages();
  const locking = project.start(['lock']);
  expect(await locking.end, locking.stderr).toBe(0);
});

describe('fgimage verify', () => {
  it('has nothing to compare with before an image is built', async () => {
    const {code, stderr} = await verify('good');
    expect([code, stderr]).toEqual([
      2,
      'error: good/tarball was not built from this lock in this cache: there is nothing to compare with\n  mend: Run "fgimage build --locked good" first\n',
    ]);
    expect(left()).toEqual([]);
  });

  it('gives the digests of every file of an image that is the same', async () => {
    const built = await project.build(['--locked', '--no-test', ...words]);
    expect(built.code, built.told).toBe(0);
    project.keepPackages();
    const {code, stdout, stderr} = await verify('good', ['--vary']);
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    const folder = join(project.folder, 'artifacts/good/tarball');
    const lines = ['root.tar.zst', 'inventory.json'].map(
      (name) => `  ${digestFile(join(folder, name))}  ${name}`,
    );
    for (const line of lines) expect(stdout.split('\n')).toContain(line);
    expect(stdout.split('\n')[0]).toMatch(/^good is the same, built again in .*: \d+ stages$/);
    expect(left()).toEqual([]);
  });

  it('names the stage, the file and the offset of what is not the same', async () => {
    const {code, stdout, stderr} = await verify('bad/tarball', ['--json', '--quiet', '--keep']);
    expect(code, `${stdout}\n${stderr}`).toBe(1);
    const verdict = JSON.parse(stdout) as Verdict & {readonly kept: string};
    const {first} = verdict;
    expect(first?.stage).toBe('customize:bad/provision-2');
    expect(first?.position).toMatchObject({line: 14, excerpt: '      - shell: bad.sh'});
    const entries = first?.difference?.entries?.map(({path}) => path);
    expect([entries, first?.difference?.content?.path]).toEqual([['etc/stamp'], 'etc/stamp']);
    const line = first?.difference?.content?.difference.line;
    expect([line?.a, line?.b].every((text) => /^\d{19}$/.test(text ?? ''))).toBe(true);
    const offset = first?.difference?.content?.difference.offset ?? -1;
    expect(line?.a.slice(0, offset)).toBe(line?.b.slice(0, offset));
    expect(line?.a[offset]).not.toBe(line?.b[offset]);
    const verdicts = new Map(verdict.stages.map(({stage, verdict: found}) => [stage, found]));
    expect(verdicts.get('customize:good/provision-1')).toBe('same');
    expect(verdicts.get('customize:bad/provision-1')).toBe('same');
    expect(verdicts.get('pack:bad/tarball')).toBe('follows');
    const changed = verdict.artifacts[0]?.files.filter(({was, is}) => was !== is).map(({path}) => path);
    expect(changed).toContain('root.tar.zst');
    const [minus, plus] = first?.diffoscope?.split('\n') ?? [];
    expect([minus, plus].every((text) => text?.endsWith('/tree/etc/stamp'))).toBe(true);
    expect(first?.diffoscope?.length).toBe(64 << 10);
    expect(existsSync(join(verdict.kept, 'artifacts/bad/tarball/root.tar.zst'))).toBe(true);
    expect(left()).toEqual([]);
  });

  it('leaves nothing behind when it is cancelled', async () => {
    const running = project.start(['verify', 'good', ...words]);
    const started = new Promise<void>((resolve) => {
      running.process.stderr?.on('data', () => {
        if (running.stderr.includes('] started')) resolve();
      });
    });
    await started;
    running.process.kill('SIGINT');
    expect(await running.end).toBe(130);
    expect(running.stderr).toMatch(/error: Cancelled; nothing of the second build is left\n$/);
    expect(left()).toEqual([]);
  });
});

describe('fgimage diff of what was built', () => {
  it('tells two images apart by their configuration and their files', async () => {
    const running = project.start(['diff', 'good/tarball', 'bad/tarball', '--json']);
    const code = await running.end;
    expect(code, running.stderr).toBe(1);
    const {changes} = JSON.parse(running.stdout) as {
      readonly changes: Readonly<
        Record<string, readonly {readonly name?: string; readonly stage?: string}[]>
      >;
    };
    expect(changes['packages']).toEqual([]);
    expect(changes['files']?.map(({name}) => name)).toEqual(['/etc/stamp', '/etc/steady']);
    expect(changes['configuration']?.map(({stage}) => stage)).toContain('provision-2');
  });
});
