import {describe, expect, it} from 'vitest';
import {withInterpreter} from '../../../src/stages/provision/shell/run.ts';
import {shell} from '../../../src/stages/provision/shell/schema.ts';
import {complaints, head, ProjectFolder} from '../spec/helpers.ts';

const step = (text: string): string => `${head}provision: [{shell: ${text}}]\ntargets: {tarball: {}}\n`;

describe('the schema of shell', () => {
  it('refuses what no program can be given', async () => {
    const why = '4: No argument and no variable can hold a NUL character';
    expect(await complaints(step('{inline: "true", args: ["a\\0b"]}'))).toEqual([why]);
    expect(await complaints(step('{inline: "true", env: {A: "a\\0b"}}'))).toEqual([why]);
    expect(await complaints(step(`{inline: "true", env: {A: 'ä "$x" \\ %'}, args: ["", "\\n"]}`))).toEqual(
      [],
    );
  });

  it('says what a variable may be called', async () => {
    expect(await complaints(step('{inline: "true", env: {a-b: x}}'))).toEqual([
      '4: "a-b" is not the name of an environment variable',
    ]);
  });

  it.each([
    ['#!/bin/sh\r\ntrue\r\n', {}, 1],
    ['true\r\n', {}, 1],
    ['#!/bin/sh\nprintf "a\r\n"\n', {}, 0],
    ['print(1)\r\n', {interpreter: '/usr/bin/python3'}, 0],
  ])('tells of line ends that nothing can run: %j', async (text, more, count) => {
    using project = new ProjectFolder({'run/setup.sh': text});
    const {options} = shell.interpret({file: 'run/setup.sh', ...more}, () => true);
    expect(await shell.check?.(options, {dir: project.dir})).toHaveLength(count);
  });
});

describe('a script that failed', () => {
  const failed = (line: string) =>
    ({
      reason: 'command-failed',
      command: ['x'],
      exitCode: 127,
      signal: null,
      lastLines: [line],
      logPath: '/log',
    }) as const;

  it('for want of its interpreter is told so', () => {
    expect(
      withInterpreter(failed('sh: 8: exec: /tmp/provision: not found'), '#!/usr/bin/python3 -I\n'),
    ).toMatchObject({
      hint: 'The image has no /usr/bin/python3, which the first line of the script names: add its package to `packages`',
    });
    const other = failed('sh: 3: jq: not found');
    expect(withInterpreter(other, '#!/bin/sh\n')).toEqual(other);
  });
});
