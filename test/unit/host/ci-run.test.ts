import {chmod, copyFile, mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {probe} from '../../../src/host/probe.ts';
import {packageRoot} from '../../../src/package-root.ts';

/* A clone with .ci/run in it, in which npm is a program that behaves as told and leaves the report it is told. */
let clone = '';

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'fgimage-ci-'));
  for (const folder of ['.ci', 'scripts', 'bin']) await mkdir(join(clone, folder));
  await copyFile(join(packageRoot, '.ci/run'), join(clone, '.ci/run'));
  await copyFile(join(packageRoot, 'scripts/test-summary.mjs'), join(clone, 'scripts/test-summary.mjs'));
  await writeFile(join(clone, 'scripts/setup.mjs'), 'process.exit(Number(process.env.SETUP ?? 0))');
  const npm = [
    '#!/bin/sh',
    'case "$*" in',
    '  *lint*) exit "$LINT_EXIT";;',
    '  test*) for last; do :; done',
    `    if [ -n "$REPORT" ]; then printf '%s' "$REPORT" > "$(echo "$last" | cut -d= -f2)"; fi`,
    '    exit "$TEST_EXIT";;',
    'esac',
  ];
  await writeFile(join(clone, 'bin/npm'), `${npm.join('\n')}\n`);
  await chmod(join(clone, 'bin/npm'), 0o755);
});
afterEach(() => rm(clone, {recursive: true}));

interface Story {
  readonly report?: object;
  readonly testExit?: number;
  readonly lintExit?: number;
  readonly setupExit?: number;
}

async function runCi({
  report,
  testExit = 0,
  lintExit = 0,
  setupExit = 0,
}: Story): Promise<readonly [number | null, string]> {
  const env = [
    `PATH=${join(clone, 'bin')}:${process.env['PATH'] ?? ''}`,
    `REPORT=${report === undefined ? '' : JSON.stringify(report)}`,
    `TEST_EXIT=${testExit}`,
    `LINT_EXIT=${lintExit}`,
    `SETUP=${setupExit}`,
  ];
  const {exitCode, output} = await probe(['env', ...env, join(clone, '.ci/run')], {timeoutMs: 20_000});
  return [exitCode, output];
}

const numbers = {numPassedTests: 41, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0};
const good = {...numbers, testResults: [{name: 'a.test.ts', status: 'passed', assertionResults: []}]};
const steps = '== typecheck\n== lint\n== tests\n';

describe('.ci/run', () => {
  it('ends with the count, and 0 when all is well', async () => {
    expect(await runCi({report: good})).toEqual([0, `${steps}41 passed, 0 failed\n`]);
  });

  it('fails when a test failed', async () => {
    const report = {...good, numPassedTests: 40, numFailedTests: 1, numPendingTests: 2};
    expect(await runCi({report, testExit: 1})).toEqual([
      1,
      `${steps}failed: tests\nnot run: 2\n40 passed, 1 failed\n`,
    ]);
  });

  it('fails when the lint fails, though every test passed', async () => {
    expect(await runCi({report: good, lintExit: 1})).toEqual([
      1,
      `${steps}failed: lint\n41 passed, 0 failed\n`,
    ]);
  });

  it('counts a file that could not be loaded', async () => {
    const broken = {
      name: 'b.test.ts',
      status: 'failed',
      message: 'SyntaxError: x\n  at y',
      assertionResults: [],
    };
    expect(await runCi({report: {...good, testResults: [broken]}, testExit: 1})).toEqual([
      1,
      `${steps}failed: tests\nfailed as a whole: b.test.ts: SyntaxError: x\n41 passed, 1 failed\n`,
    ]);
  });

  it('fails when the runner left no report, whatever it says', async () => {
    const [exitCode, output] = await runCi({});
    expect(exitCode).toBe(1);
    expect(output).toMatch(/\nThe tests left no report: .*\n0 passed, 1 failed\n$/);
  });

  it('fails when the host cannot be made ready', async () => {
    expect(await runCi({setupExit: 3})).toEqual([3, '0 passed, 1 failed\n']);
  });
});
