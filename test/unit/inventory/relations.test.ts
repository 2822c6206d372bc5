import {describe, expect, it} from 'vitest';
import {parseRelations, relationResolver} from '../../../src/inventory/relations.ts';

describe('parseRelations()', () => {
  it('reads alternatives, versions and architectures', () => {
    expect(parseRelations('libc6 (>= 2.34), debconf:any (>= 0.5) | debconf-2.0,, perl')).toEqual([
      [{name: 'libc6', operator: '>=', version: '2.34'}],
      [{name: 'debconf', operator: '>=', version: '0.5'}, {name: 'debconf-2.0'}],
      [{name: 'perl'}],
    ]);
    expect(parseRelations('')).toEqual([]);
  });
});

describe('relationResolver()', () => {
  const one = (
    name: string,
    version: string,
    provides = '',
  ): Parameters<typeof relationResolver>[0][number] => ({
    id: name,
    name,
    version,
    provides,
  });
  const resolve = relationResolver([
    one('mawk', '1.3.4-1', 'awk'),
    one('cdebconf', '0.260', 'debconf-2.0'),
    one('libc6', '2.36-9', 'libc6-abi (= 2.36)'),
    one('exim', '4', 'mail-transport-agent'),
    one('postfix', '3', 'mail-transport-agent'),
  ]);

  it.each<[field: string, expected: readonly string[]]>([
    ['libc6', ['libc6']],
    ['libc6 (>= 2.36~rc1)', ['libc6']],
    ['libc6 (>> 2.36-9)', []],
    ['libc6 (<< 2.37), mawk (= 1.3.4-1)', ['libc6', 'mawk']],
    ['libc6 (<= 2.36-9)', ['libc6']],
    // The first alternative that is there counts.
    ['debconf (>= 0.5) | debconf-2.0', ['cdebconf']],
    ['gawk | awk', ['mawk']],
    ['libc6-abi (>= 2.36)', ['libc6']],
    // What provides a name in no version satisfies none.
    ['awk (>= 1)', []],
    ['mail-transport-agent', ['exim', 'postfix']],
    ['nothing-of-the-kind', []],
  ])('%s is satisfied by %j', (field, expected) => {
    expect(resolve(field)).toEqual(expected);
  });
});
