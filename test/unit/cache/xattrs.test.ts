import {execFileSync} from 'node:child_process';
import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {listXattrs} from '../../../cache/xattrs.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** setxattr(2): neither Node nor Debian's essential packages have a call for it, perl can make it by number. */
function setXattr(path: string | Buffer, name: string, value: string): void {
  const script = `use POSIX ();
my ($path, $name, $value) = map { pack 'H*', $_ } @ARGV;
my $call = {x86_64 => 188, aarch64 => 5}->{(POSIX::uname())[4]};
my $flags = 0;
syscall($call, $path, $name, $value, length $value, $flags) == 0 or die "setxattr: $!\\n";`;
  const words = [path, name, value].map((word) => Buffer.from(word as string).toString('hex'));
  execFileSync('perl', ['-e', script, ...words]);
}

describe('listXattrs()', () => {
  it('gives nothing for a tree without any', async () => {
    using folder = new TemporaryFolder({'a/b': 'x'});
    expect([...(await listXattrs(folder.path))]).toEqual([]);
  });

  it('gives the attributes of files and folders by path, sorted, the values in hexadecimal', async () => {
    using folder = new TemporaryFolder({'a/file': 'x', plain: ''});
    setXattr(folder.join('a/file'), 'user.two', 'b\nc');
    setXattr(folder.join('a/file'), 'user.one', '');
    setXattr(folder.join('a'), 'user.overlay.opaque', 'y');
    symlinkSync('a/file', folder.join('link'));
    expect(Object.fromEntries(await listXattrs(folder.path))).toEqual({
      a: ['user.overlay.opaque=79'],
      'a/file': ['user.one=', 'user.two=620a63'],
    });
  });

  it('gives paths as the latin1 text of their bytes', async () => {
    using folder = new TemporaryFolder();
    const path = Buffer.concat([Buffer.from(`${folder.path}/`), Buffer.from([0xff, 0x20, 0x0a, 0xc3, 0xa9])]);
    writeFileSync(path, '');
    setXattr(path, 'user.x', '1');
    expect([...(await listXattrs(folder.path))]).toEqual([['\xff \n\xc3\xa9', ['user.x=31']]]);
  });

  it('goes down into folders without a limit of depth', async () => {
    using folder = new TemporaryFolder();
    const deep = Array.from({length: 60}, () => 'd').join('/');
    mkdirSync(folder.join(deep), {recursive: true});
    setXattr(folder.join(deep), 'user.deep', '1');
    expect([...(await listXattrs(folder.path)).keys()]).toEqual([deep]);
  });

  it('leaves out what overlayfs notes about inodes, and keeps its mark of an opaque folder', async () => {
    using folder = new TemporaryFolder({'folder/file': ''});
    for (const name of ['origin', 'impure', 'nlink', 'uuid', 'opaque'])
      setXattr(folder.join('folder'), `user.overlay.${name}`, 'y');
    setXattr(folder.join('folder/file'), 'user.overlay.origin', 'handle');
    expect([...(await listXattrs(folder.path))]).toEqual([['folder', ['user.overlay.opaque=79']]]);
  });
});
