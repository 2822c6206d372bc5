import {describe, expect, it} from 'vitest';
import {parseControl} from '../../../src/inventory/control.ts';

describe('parseControl()', () => {
  it('reads paragraphs with fields of several lines, whatever parts them', () => {
    const [first, second, ...more] = parseControl(
      '# a comment\nPackage: a\nDescription: short\n long\n .\n longer\n\n \t\n\nPACKAGE: b\nVersion:1:2\n',
    );
    expect(more).toEqual([]);
    expect(first?.get('package')).toBe('a');
    expect(first?.get('Description')).toBe('short\n long\n .\n longer');
    expect(second?.get('Package')).toBe('b');
    expect(second?.get('Version')).toBe('1:2');
    expect(second?.get('Section')).toBe('');
  });

  it('leaves out what is no field', () => {
    expect(parseControl('')).toEqual([]);
    expect(parseControl(' only a continuation\nno colon here\n')).toEqual([]);
  });
});
