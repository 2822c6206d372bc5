import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {packageRoot} from '../../../src/package-root.ts';
import type {ImageTest} from '../../../src/spec/image.ts';
import {type Facts, parseGuestLine, planText} from '../../../src/stages/test/serial-protocol.ts';
import {specCheck} from '../../../src/stages/test/spec-checks.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-guest-'));
});

afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
});

/** Runs the guest's script on this host, its answers going to a file. */
function runOnHost(tests: readonly ImageTest[]): {
  readonly passed: readonly boolean[];
  readonly facts: readonly Facts[];
} {
  const checks = tests.map(specCheck);
  const [plan, output] = [join(folder, 'plan'), join(folder, 'output')];
  writeFileSync(
    plan,
    planText(
      checks.map(({request}) => request),
      {limitSeconds: 0, patienceSeconds: 0},
    ),
  );
  execFileSync('sh', [join(packageRoot, 'src/stages/test/guest/run-checks.sh'), plan, output], {
    stdio: 'ignore',
  });
  const messages = readFileSync(output, 'utf8').trim().split('\n').map(parseGuestLine);
  expect(messages.at(0)).toEqual({kind: 'hello'});
  expect(messages.at(-1)).toEqual({kind: 'end'});
  const facts = messages.flatMap((message) => (message?.kind === 'saw' ? [message.facts] : []));
  return {facts, passed: checks.map((check, index) => check.judge(facts[index] ?? new Map()).passed)};
}

const command = (text: string, stdout: readonly string[] = [], status = 0): ImageTest => ({
  kind: 'command',
  command: text,
  exit_status: status,
  stdout,
});

test('run-checks.sh runs commands with text of any kind, as text', () => {
  const {passed, facts} = runOnHost([
    command(`printf '%s' "it's \\"quoted\\" * \${HOME} \\$(x)"`, [`it's "quoted" * /root $(x)`]),
    command('printf "a\\nb\\n"', ['a\nb\n', 'b\n']),
    command('printf "a\\0b"', ['ab']),
    command('echo *', ['[*]']),
    command('exit 7', [], 7),
    command('cat; echo no input >&2', []),
    command('echo ü; exit 1', ['ü']),
  ]);

  expect(passed).toEqual([true, true, true, false, true, true, false]);
  expect(facts[5]?.get('stderr')).toBe('no input');
});

test('run-checks.sh looks at files', () => {
  const path = join(folder, 'a file');
  writeFileSync(path, 'first line\nsecond [line]\n', {mode: 0o640});
  const owner = execFileSync('stat', ['-c', '%U:%G', path], {encoding: 'utf8'}).trim();
  const file = (more: Partial<Extract<ImageTest, {kind: 'file'}>>): ImageTest => ({
    kind: 'file',
    file: path,
    exists: true,
    contains: [],
    ...more,
  });

  const {passed} = runOnHost([
    file({contains: ['line\nsecond [', ''], owner, permissions: '0640'}),
    file({contains: ['second .line.']}),
    file({permissions: '0600'}),
    file({owner: 'nobody'}),
    file({file: `${path}*`, exists: false}),
    file({file: `${path}*`}),
  ]);

  expect(passed).toEqual([true, false, false, false, true, false]);
});

test('run-checks.sh finds a listening port', async () => {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
  const open = runOnHost([{kind: 'port', port, protocol: 'tcp', listening: true}]);
  await new Promise((resolve) => server.close(resolve));
  rmSync(join(folder, 'output'));
  const closed = runOnHost([{kind: 'port', port, protocol: 'tcp', listening: true}]);

  expect(open.passed).toEqual([true]);
  expect(closed.passed).toEqual([false]);
});
