import {expect, test} from 'vitest';
import {
  diagnosticAt,
  formatDiagnostic,
  formatDiagnostics,
  type Position,
  quote,
} from '../../../src/spec/diagnostic.ts';

const text = {message: 'Unknown key "pacakges"', hint: 'Write `packages`'};

function position(excerpt: string, part: string): Position {
  return {file: 'fgimage.yaml', line: 3, column: excerpt.indexOf(part) + 1, length: part.length, excerpt};
}

test('formatDiagnostic() prints place, reason, line, carets and mend', () => {
  const printed = formatDiagnostic(diagnosticAt(position('  pacakges: [curl]', 'pacakges'), text));

  expect(printed).toMatchInlineSnapshot(`
    "fgimage.yaml:3:3: error: Unknown key "pacakges"
        pacakges: [curl]
        ^^^^^^^^
      mend: Write \`packages\`"
  `);
});

test('formatDiagnostic() colours only on request', () => {
  const diagnostic = diagnosticAt(position('a: b', 'b'), text, {severity: 'warning'});

  expect(formatDiagnostic(diagnostic)).not.toContain('\u001b');
  expect(formatDiagnostic(diagnostic, {color: true})).toContain('\u001b[1;33mwarning:\u001b[0m');
});

test('formatDiagnostic() keeps tabs before the carets, shows controls as dots, cuts long lines', () => {
  const tabs = formatDiagnostic(diagnosticAt(position('\ta:\tvalue', 'value'), text));
  const controls = formatDiagnostic(diagnosticAt(position('a: \u001b[31mx\u202e', 'x'), text));
  const long = formatDiagnostic(
    diagnosticAt(position(`${'a'.repeat(500)}VALUE${'b'.repeat(500)}`, 'VALUE'), text),
  );

  expect(tabs.split('\n').slice(1, 3)).toEqual(['  \ta:\tvalue', '  \t  \t^^^^^']);
  expect(controls.split('\n')[1]).toBe('  a: ·[31mx·');
  expect(long.split('\n')[1]).toBe(`  …${'a'.repeat(60)}VALUE${'b'.repeat(95)}…`);
  expect(long.split('\n')[2]).toBe(`  ${' '.repeat(61)}^^^^^`);
});

test('a secret is neither in the diagnostic nor in what is printed', () => {
  const diagnostic = diagnosticAt(position('hashed_passwd: hunter2', 'hunter2'), text, {secret: true});

  expect(JSON.stringify(diagnostic)).not.toContain('hunter2');
  expect(formatDiagnostic(diagnostic).split('\n')[1]).toBe('  hashed_passwd: …');
});

test('formatDiagnostics() prints at most a hundred and counts the errors', () => {
  const many = Array.from({length: 150}, () => diagnosticAt(position('a: b', 'b'), text));

  expect(formatDiagnostics(many).split('\n').at(-1)).toBe('150 errors, 50 not shown');
  expect(formatDiagnostics(many.slice(0, 1)).split('\n').at(-1)).toBe('1 error');
});

test('quote() cuts and escapes', () => {
  expect(quote('a\u001b"')).toBe('"a\\u001b\\""');
  expect(quote('x'.repeat(100))).toHaveLength(63);
});
