import {spawnSync} from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {
  autoInstalled,
  extendedStates,
  installedNames,
  newNames,
  onlyForStep,
  withoutNames,
} from '../../../src/stages/provision/dpkg-state.ts';
import {hiddenTexts, takeLeaks} from '../../../src/stages/provision/secrets.ts';
import {settleScript, unitWishes} from '../../../src/stages/provision/services.ts';
import {stepFailure} from '../../../src/stages/provision/step-failure.ts';

describe('the record of a step', () => {
  it('is read as the last action of each unit, and whether its enablement is settled', () => {
    const record = [
      'start b.service',
      'stop b.service',
      'start a.service',
      'disable a.service',
      'start c.service',
      'mask c.service',
      'unmask c.service',
      'enable d.service',
      '',
    ].join('\n');
    expect(unitWishes(record)).toEqual([
      {unit: 'a.service', last: 'start', isOff: true},
      {unit: 'b.service', last: 'stop', isOff: false},
      {unit: 'c.service', last: 'start', isOff: false},
    ]);
  });
});

describe('what a step started', () => {
  it.each([
    ['disabled', 'enabled', 'enable'],
    ['indirect', 'enabled', 'enable'],
    // A unit file elsewhere, and an enablement that ends with the boot: neither is started by the next one.
    ['linked', 'enabled', 'enable'],
    ['enabled-runtime', 'enabled', 'enable'],
    ['enabled', 'already-enabled', ''],
    ['static', 'static', ''],
    ['masked', 'masked', ''],
  ])('that is %s becomes %s', (before, after, asked) => {
    const folder = mkdtempSync(join(tmpdir(), 'fgimage-settle-'));
    try {
      const fake = `#!/bin/sh\nif [ "$1" = is-enabled ]; then echo ${before}; else echo "$1" >> ${folder}/asked; fi\n`;
      writeFileSync(join(folder, 'systemctl'), fake, {mode: 0o755});
      const {stdout} = spawnSync('/bin/sh', ['-c', settleScript, 'sh', 'a.service', 'enable'], {
        env: {PATH: `${folder}:${process.env['PATH'] ?? ''}`},
        encoding: 'utf8',
      });
      expect(stdout).toBe(`fgimage-unit a.service ${after}\n`);
      const done = existsSync(join(folder, 'asked'))
        ? readFileSync(join(folder, 'asked'), 'utf8').trim()
        : '';
      expect(done).toBe(asked);
    } finally {
      rmSync(folder, {recursive: true, force: true});
    }
  });
});

describe('what a log does not show of a secret', () => {
  it('is the value in whatever way it is written', () => {
    const value = 'pass/wörd "1" & more';
    const hide = (line: string): string =>
      hiddenTexts(Buffer.from(`${value}\n`))
        .toSorted((a, b) => b.length - a.length)
        .reduce((text, one) => text.replaceAll(one, '***'), line);
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    expect(hide(`it is ${value}.`)).toBe('it is ***.');
    expect(hide(encodeURIComponent(value))).toBe('***');
    expect(hide(JSON.stringify({value}))).toBe('{"value":"***"}');
    expect(hide(base64(value))).toBe('***');
    expect(hide(base64(`${value}\n`))).toBe('***');
    for (const before of ['a', 'ab', 'abc']) expect(hide(base64(`${before}${value}tail`))).toContain('***');
  });

  it('is each long line of a value that has several', () => {
    expect(hiddenTexts(Buffer.from('{\n  "token": "abc"\n}\n'))).toContain('"token": "abc"');
    expect(hiddenTexts(Buffer.from('{\n  "token": "abc"\n}\n'))).not.toContain('{');
  });
});

describe('a search for secrets', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'fgimage-leaks-'));
  });
  afterEach(() => {
    rmSync(folder, {recursive: true, force: true});
  });

  it('finds and takes files, names and links, also where a value lies across two reads', async () => {
    const value = Buffer.from('a-value-of-a-secret');
    mkdirSync(join(folder, 'etc'));
    writeFileSync(join(folder, 'etc/far'), Buffer.concat([Buffer.alloc((1 << 20) - 7, 'x'), value]));
    writeFileSync(join(folder, 'etc/encoded'), Buffer.concat([Buffer.from('k='), value]).toString('base64'));
    writeFileSync(join(folder, 'etc/other'), 'a-value-of-a-secre');
    writeFileSync(join(folder, `etc/${value.toString()}.txt`), '');
    symlinkSync(`/srv/${value.toString()}`, join(folder, 'link'));
    symlinkSync('/etc', join(folder, 'elsewhere'));

    const leaks = await takeLeaks(folder, [
      {name: 'short', value: Buffer.from('xxxx')},
      {name: 'token', value: Buffer.concat([value, Buffer.from('\n')])},
    ]);

    expect(leaks.map(({path}) => path).sort()).toEqual([
      '/etc/a-value-of-a-secret.txt',
      '/etc/encoded',
      '/etc/far',
      '/link',
    ]);
    expect(new Set(leaks.map(({secret}) => secret))).toEqual(new Set(['token']));
    expect(readdirSync(join(folder, 'etc'))).toEqual(['other']);
  });
});

describe("dpkg's and apt's state", () => {
  const stanza = (name: string, status = 'install ok installed'): string =>
    `Package: ${name}\nStatus: ${status}\nArchitecture: amd64\nDescription: one\n two\n`;

  it('tells which packages came', () => {
    const before = stanza('a');
    const after = `${before}\n${stanza('b')}\n${stanza('c', 'deinstall ok config-files')}`;
    expect(newNames(before, after, installedNames)).toEqual(['b']);
  });

  it('tells what only a step needed: not what it asked apt for, nor what it found to be there', () => {
    const states = ['a', 'b', 'd'].map((name) => `Package: ${name}\nAuto-Installed: 1\n\n`).join('');
    expect(onlyForStep(['a', 'b', 'c'], {states, wanted: new Set(['b'])})).toEqual(['a']);
  });

  it('is marked, read and unmarked', () => {
    const states = 'Package: a\nArchitecture: amd64\nAuto-Installed: 1\n\n';
    const marked = autoInstalled(states, `${stanza('a')}\n${stanza('b')}`, ['b']);
    expect(marked).toBe(`${states}Package: b\nArchitecture: amd64\nAuto-Installed: 1\n\n`);
    expect([...extendedStates(marked)]).toEqual(['a', 'b']);
    expect(withoutNames(marked, new Set(['b']))).toBe(states);
  });
});

describe('the hint of a step that failed', () => {
  const failed = (...lastLines: string[]) =>
    ({
      reason: 'command-failed',
      command: ['x'],
      exitCode: 1,
      signal: null,
      lastLines,
      logPath: '/log',
    }) as const;
  const offline = {network: false, timeoutSeconds: undefined};

  it('names the package that apt has no archive for', () => {
    expect(stepFailure(failed('E: Unable to locate package nginx'), offline)).toMatchObject({
      hint: 'Add nginx to `packages` of the image, or give the step `network: true`',
    });
    expect(stepFailure(failed("E: Package 'nginx' has no installation candidate"), offline)).toMatchObject({
      hint: expect.stringContaining('Add nginx') as unknown,
    });
  });

  it('tells of the network where a resolver failed, and nothing where the step has one', () => {
    const lost = failed('curl: (6) Could not resolve host: example.org');
    expect(stepFailure(lost, offline)).toMatchObject({
      hint: expect.stringContaining('no network') as unknown,
    });
    expect(stepFailure(lost, {...offline, network: true})).toEqual(lost);
    expect(stepFailure(failed('false'), offline)).toEqual(failed('false'));
  });
});
