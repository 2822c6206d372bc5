import {describe, expect, test} from 'vitest';
import {LineSplitter, parseGuestLine, planText, textWord} from '../../../src/stages/test/serial-protocol.ts';

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

describe('parseGuestLine()', () => {
  test('reads the frame of a run', () => {
    expect(parseGuestLine('FG1 hello')).toEqual({kind: 'hello'});
    expect(parseGuestLine('FG1 end\r')).toEqual({kind: 'end'});
  });

  test('reads facts, text of any kind included', () => {
    const text = 'zwei Zeilen\nmit = und ü ';

    const message = parseGuestLine(`FG1 saw 12 state=${base64('running')} why=${base64(text)} empty=`);

    expect(message).toEqual({
      kind: 'saw',
      id: 12,
      facts: new Map([
        ['state', 'running'],
        ['why', text],
        ['empty', ''],
      ]),
    });
  });

  test.each([
    '',
    'FG1',
    'FG2 hello',
    'FG1 hello there',
    'FG1 saw',
    'FG1 saw x state=',
    'FG1 saw -1 state=',
    'FG1 saw 1 state',
    'FG1 saw 1 state=abc',
    'FG1 saw 1 state=a b',
    '[   12.3] kernel: FG1 hello',
  ])('takes %j for no line of ours', (line) => {
    expect(parseGuestLine(line)).toBeUndefined();
  });
});

describe('planText()', () => {
  test('writes one line a check, with text as base64', () => {
    const command = textWord("echo '$HOME'\nexit 3");

    const plan = planText(
      [
        {kind: 'system', words: []},
        {kind: 'command', words: [command, textWord('')]},
      ],
      {limitSeconds: 300, patienceSeconds: 45},
    );

    expect(plan).toBe(`- limit 300\n- patience 45\n0 system\n1 command ${command} b:\n`);
    expect(command).toMatch(/^b:[A-Za-z0-9+/=]+$/);
  });
});

describe('LineSplitter', () => {
  test('joins lines and characters that come in pieces', () => {
    const splitter = new LineSplitter();
    const bytes = Buffer.from('grün\r\nlog');

    expect(splitter.push(bytes.subarray(0, 3))).toEqual([]);
    expect(splitter.push(bytes.subarray(3))).toEqual(['grün']);
    expect(splitter.rest).toBe('log');
    expect(splitter.push(Buffer.from('in:\n\n'))).toEqual(['login:', '']);
  });
});
