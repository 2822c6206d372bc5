import {chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {type ProbeResult, probe} from '../../../src/host/probe.ts';
import {packageRoot} from '../../../src/package-root.ts';

/* A clone with scripts/setup.mjs in it; apt-get, npm, sudo and tsc are programs that note how they were called. */
let clone = '';

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'fgimage-setup-'));
  await mkdir(join(clone, 'scripts'));
  await copyFile(join(packageRoot, 'scripts/setup.mjs'), join(clone, 'scripts/setup.mjs'));
  await write(
    'package-lock.json',
    JSON.stringify({
      packages: {
        '': {},
        'node_modules/a': {version: '1.0.0'},
        'node_modules/b': {version: '2.0.0', optional: true},
      },
    }),
  );
  await write(
    'node_modules/.package-lock.json',
    JSON.stringify({packages: {'node_modules/a': {version: '1.0.0'}}}),
  );
  await write('node_modules/better-sqlite3/index.js', 'module.exports = class {}');
  await write('node_modules/typescript/bin/tsc', `require('fs').appendFileSync('calls', 'tsc\\n')`);
  await requirements([{commands: ['sh'], package: 'dash'}]);
  await program('apt-get', `echo "apt-get $*, $DEBIAN_FRONTEND" >> calls`);
  await program('npm', 'echo "npm $*" >> calls');
  await program('sudo', 'shift; exec "$@"');
});
afterEach(() => rm(clone, {recursive: true}));

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(clone, path)), {recursive: true});
  await writeFile(join(clone, path), text);
}

async function program(name: string, script: string): Promise<void> {
  await write(`bin/${name}`, `#!/bin/sh\n${script}\n`);
  await chmod(join(clone, 'bin', name), 0o755);
}

function requirements(tools: readonly object[]): Promise<void> {
  return write('src/host/requirements.json', JSON.stringify({tools}));
}

async function setup(
  command: string,
  as: readonly string[] = [],
): Promise<Pick<ProbeResult, 'exitCode' | 'output'> & {calls: string}> {
  const path = `PATH=${join(clone, 'bin')}:/usr/bin:/bin`;
  const setupCommand = [process.execPath, join(clone, 'scripts/setup.mjs'), command];
  const {exitCode, output} = await probe(['env', path, ...as, ...setupCommand], {
    timeoutMs: 20_000,
    folder: clone,
  });
  const calls = await readFile(join(clone, 'calls'), 'utf8').catch(() => '');
  return {exitCode, output, calls};
}

describe('setup.mjs prepare', () => {
  it('compiles and does nothing else when nothing is missing', async () => {
    expect(await setup('prepare')).toEqual({exitCode: 0, output: 'setup: Compiling\n', calls: 'tsc\n'});
  });

  it('installs the missing packages, once each, without asking', async () => {
    await requirements([
      {commands: ['sh'], package: 'dash'},
      {commands: ['sh', 'fgimage-absent-1'], package: 'two'},
      {commands: ['fgimage-absent-2'], package: 'one'},
      {files: ['/absent', '/absent2'], package: 'two'},
      {files: ['/absent', '/etc/passwd'], package: 'base'},
    ]);
    expect(await setup('prepare')).toEqual({
      exitCode: 0,
      output: 'setup: Installing Debian packages: one two\nsetup: Compiling\n',
      calls: [
        'apt-get --quiet -o DPkg::Lock::Timeout=300 update, noninteractive',
        'apt-get --quiet -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends one two, noninteractive',
        'tsc\n',
      ].join('\n'),
    });
  });

  it('ends with the exit code of what failed', async () => {
    await requirements([{commands: ['fgimage-absent'], package: 'one'}]);
    await program('apt-get', 'exit 100');
    expect(await setup('prepare')).toMatchObject({exitCode: 100, calls: ''});
  });

  it('names the command to run when it is neither root nor has sudo', async () => {
    await requirements([{commands: ['fgimage-absent'], package: 'one'}]);
    await program('sudo', 'exit 1');
    expect(await setup('prepare', ['unshare', '--user'])).toEqual({
      exitCode: 3,
      output:
        'setup: Packages are missing, and installing them needs root. Run:\n  sudo apt-get install --yes --no-install-recommends one\n',
      calls: '',
    });
  });

  it('goes on without root when nothing is missing', async () => {
    await program('sudo', 'exit 1');
    expect(await setup('prepare', ['unshare', '--user'])).toMatchObject({exitCode: 0, calls: 'tsc\n'});
  });

  it.each([
    ['there are none', 'node_modules/.package-lock.json', undefined],
    [
      'node_modules/a is not 1.0.0',
      'node_modules/.package-lock.json',
      '{"packages": {"node_modules/a": {"version": "0.9.0"}}}',
    ],
    [
      `better-sqlite3 does not load in Node ${process.version}`,
      'node_modules/better-sqlite3/index.js',
      'throw new Error()',
    ],
  ])('installs node modules when %s', async (reason, path, text) => {
    await (text === undefined ? rm(join(clone, path)) : write(path, text));
    const {exitCode, output, calls} = await setup('prepare');
    expect(output).toContain(`setup: Installing node modules: ${reason};`);
    expect([exitCode, calls]).toEqual([0, 'npm install --no-save --no-audit --no-fund\ntsc\n']);
  });
});

describe('setup.mjs', () => {
  it('builds the example in quickstart and ends as the build does', async () => {
    await write(
      'dist/src/cli/main.js',
      `require('fs').appendFileSync('calls', process.argv.slice(2).join(' ')); process.exit(7)`,
    );
    expect(await setup('quickstart')).toMatchObject({
      exitCode: 7,
      calls: 'tsc\nbuild -f fgimage.yaml.example',
    });
  });

  it('forgets what the compiler noted of files that are gone', async () => {
    await write('dist/.tsbuildinfo', '{}');
    await setup('compile');
    await expect(readFile(join(clone, 'dist/.tsbuildinfo'))).rejects.toThrow('ENOENT');
  });

  it('names its commands', async () => {
    expect(await setup('bogus')).toMatchObject({
      exitCode: 2,
      output: 'setup: Usage: node scripts/setup.mjs prepare | compile | quickstart\n',
    });
  });
});
