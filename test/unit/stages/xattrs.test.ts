import {describe, expect, it} from 'vitest';
import {debugfsCommands, squashfsDefinitions, type TreeXattrs} from '../../../src/stages/pack/xattrs.ts';

const xattrs: TreeXattrs = new Map([
  ['opt/with "quotes" and \\', ['system.posix_acl_access=0200', 'user.a==31', 'user.b=']],
  ['usr/bin/ping', ['security.capability=01000002']],
]);

describe('debugfsCommands()', () => {
  it('sets each attribute from a file, in the order of the names', () => {
    const {commands, contents} = debugfsCommands(xattrs, (name) => `/values/${name}`);
    expect(commands).toBe(
      [
        'ea_set -f /values/0 "/opt/with ""quotes"" and \\" system.posix_acl_access\n',
        'ea_set -f /values/1 "/opt/with ""quotes"" and \\" user.a=\n',
        'ea_set -f /values/2 "/opt/with ""quotes"" and \\" user.b\n',
        'ea_set -f /values/3 "/usr/bin/ping" security.capability\n',
      ].join(''),
    );
    expect(contents.map((content) => content.toString('hex'))).toEqual(['0200', '31', '', '01000002']);
  });
});

describe('squashfsDefinitions()', () => {
  it('defines the attributes that squashfs has, which ACLs are not among', () => {
    const valued = new Map(
      [...xattrs].map(([path, list]) => [path, list.filter((one) => one !== 'user.b=')]),
    );
    expect(squashfsDefinitions(valued)).toBe(
      [
        String.raw`"opt/with \"quotes\" and \\" x user.a==0x31`,
        '"usr/bin/ping" x security.capability=0x01000002',
        '',
      ].join('\n'),
    );
  });

  it('cannot be made of an attribute without a value', () => {
    expect(squashfsDefinitions(new Map([['file', ['user.b=']]]))).toBeUndefined();
  });

  it('is empty where nothing has attributes', () => {
    expect(squashfsDefinitions(new Map())).toBe('');
  });
});
