import {execFileSync, spawnSync} from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {packObject, unpackObject} from '../../../cache/remote/archive.ts';
import {digestFile, summarizeTree} from '../../../cache/tree.ts';
import {listXattrs} from '../../../cache/xattrs.ts';
import {RemoteError} from '../../../src/http/error.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';
import {epoch, never, sampleTree, setXattr} from './samples.ts';

/** A layer with everything that a layer can have. */
function layer(folder: TemporaryFolder, name: string): string {
  const tree = folder.join(name);
  folder.write({
    [`${name}/etc/motd`]: 'hello\n',
    [`${name}/etc/-rf`]: 'a name like an option\n',
    [`${name}/-C`]: 'another\n',
    [`${name}/usr/share/Größe \n"\\ x`]: 'a name with everything\n',
    [`${name}/usr/bin/su`]: 'setuid\n',
    [`${name}/usr/bin/ping`]: 'capable\n',
    [`${name}/${'long/'.repeat(40)}end`]: 'deep\n',
  });
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/usr/share/`), Buffer.from([0xff, 0xfe])]), 'no UTF-8\n');
  chmodSync(`${tree}/usr/bin/su`, 0o4755);
  linkSync(`${tree}/etc/motd`, `${tree}/etc/motd.hard`);
  symlinkSync('../usr/bin', `${tree}/etc/bin`);
  symlinkSync('/usr/bin/nowhere', `${tree}/etc/absolute`);
  mkdirSync(`${tree}/opaque`);
  chmodSync(`${tree}/opaque`, 0o1777);
  setXattr(`${tree}/opaque`, 'user.overlay.opaque', '79');
  setXattr(`${tree}/opaque`, 'user.overlay.origin', Buffer.from(name).toString('hex'));
  setXattr(`${tree}/usr/bin/ping`, 'user.note', '610a623d6300ff');
  execFileSync('mknod', [`${tree}/etc/gone`, 'c', '0', '0']);
  execFileSync('mkfifo', [`${tree}/etc/pipe`]);
  if (process.getuid?.() === 0) {
    execFileSync('chown', ['-h', '123:456', `${tree}/etc/bin`, `${tree}/usr/bin/ping`]);
    // cap_net_raw+ep (capabilities(7), VFS_CAP_REVISION_2).
    setXattr(`${tree}/usr/bin/ping`, 'security.capability', '0100000200200000000000000000000000000000');
    // As on /var/log/journal: u::rwx, g::r-x, g:adm:r-x, m::r-x, o::r-x (acl(5)).
    const acl =
      '02000000 01000700ffffffff 04000500ffffffff 0800050004000000 10000500ffffffff 20000500ffffffff'.replaceAll(
        ' ',
        '',
      );
    setXattr(`${tree}/opaque`, 'system.posix_acl_access', acl);
    setXattr(`${tree}/opaque`, 'system.posix_acl_default', acl);
  }
  writeFileSync(`${tree}/disk.raw`, 'start');
  truncateSync(`${tree}/disk.raw`, 17 * 1024 * 1024);
  execFileSync('find', [tree, '-depth', '-exec', 'touch', '-h', '-d', `@${epoch}`, '{}', '+']);
  utimesSync(`${tree}/usr/share`, 1000, 1000);
  return tree;
}

async function digestOf(tree: string): Promise<string> {
  return summarizeTree(tree, {xattrs: await listXattrs(tree)}).digest;
}

describe('packObject()', {timeout: 60_000}, () => {
  it('gives back the same tree, whatever is in it', async () => {
    using folder = new TemporaryFolder();
    const tree = layer(folder, 'tree1');
    const file = folder.join('object.tar.zst');
    const blob = await packObject(tree, file, never);
    expect(blob).toEqual({sha256: digestFile(file), sizeBytes: statSync(file).size});
    mkdirSync(folder.join('out'));
    const digest = await digestOf(tree);
    const summary = await unpackObject(file, folder.join('out'), {digest, signal: never});
    expect(summary.digest).toBe(digest);
    expect(readFileSync(folder.join('out', 'manifest'), 'utf8')).toBe(summary.manifest);
    const out = folder.join('out', 'tree');
    expect(statSync(`${out}/usr/share`).mtimeMs).toBe(1_000_000);
    expect(lstatSync(`${out}/etc/gone`)).toMatchObject({rdev: 0});
    expect(lstatSync(`${out}/etc/motd`).ino).toBe(lstatSync(`${out}/etc/motd.hard`).ino);
    expect((await listXattrs(out)).get('opaque')).toContain('user.overlay.opaque=79');
    expect(statSync(out).mode & 0o7777).toBe(0o755);
    // 17 MiB of zeros take no room again.
    expect(statSync(`${out}/disk.raw`).blocks * 512).toBeLessThan(1024 * 1024);
  });

  it('gives the same bytes for the same tree, wherever it lies and in whatever order it was made', async () => {
    using folder = new TemporaryFolder();
    const first = layer(folder, 'tree1');
    const copy = folder.join('copy');
    mkdirSync(copy);
    for (const name of readdirSync(first).reverse()) {
      execFileSync('cp', ['--archive', '--sparse=never', `${first}/${name}`, `./${copy.slice(1)}/`], {
        cwd: '/',
      });
    }
    setXattr(`${copy}/opaque`, 'user.overlay.origin', '00ff');
    const one = await packObject(first, folder.join('1.tar.zst'), never);
    const two = await packObject(copy, folder.join('2.tar.zst'), never);
    expect(two).toEqual(one);
  });

  it('packs an empty tree', async () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('empty'));
    await packObject(folder.join('empty'), folder.join('x'), never);
    const digest = await digestOf(folder.join('empty'));
    mkdirSync(folder.join('out'));
    const summary = await unpackObject(folder.join('x'), folder.join('out'), {digest, signal: never});
    expect(summary.entries).toBe(0);
  });

  it('refuses what tar would leave out, and leaves no file', async () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('tree'));
    const script = 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un($ARGV[0])) or die $!';
    execFileSync('perl', ['-e', script, folder.join('tree', 'socket')]);
    await expect(packObject(folder.join('tree'), folder.join('x'), never)).rejects.toEqual(
      new RemoteError('damaged', 'The output cannot be packed: tar: socket: socket ignored'),
    );
    expect(readdirSync(folder.path)).toEqual(['tree']);
  });

  it('ends when it is cancelled, and leaves no file', async () => {
    using folder = new TemporaryFolder();
    const {path} = await sampleTree(folder, 'tree');
    const stop = new AbortController();
    const packing = packObject(path, folder.join('x'), stop.signal);
    stop.abort(new Error('enough'));
    await expect(packing).rejects.toThrow('enough');
    expect(readdirSync(folder.path)).toEqual(['tree']);
  });
});

describe('unpackObject()', {timeout: 60_000}, () => {
  /** Archives by hand: a ustar header for each entry (POSIX.1-1988), as a hostile program would write it. */
  function archive(
    folder: TemporaryFolder,
    entries: readonly {
      readonly name: string;
      readonly type?: string;
      readonly target?: string;
      readonly text?: string;
    }[],
  ): string {
    const blocks = entries.flatMap(({name, type = '0', target = '', text = ''}) => {
      const header = Buffer.alloc(512);
      header.write(name, 0, 'latin1');
      header.write('0000755\x000000000\x000000000\0', 100);
      header.write(
        `${text.length.toString(8).padStart(11, '0')}\0${'0'.repeat(11)}\0        ${type}${target}`,
        124,
      );
      header.write('ustar\u000000', 257);
      header.write('0000000\x000000000\0', 329);
      const sum = header.reduce((total, byte) => total + byte, 0);
      header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
      return [header, Buffer.from(text.padEnd(Math.ceil(text.length / 512) * 512, '\0'))];
    });
    const {stdout} = spawnSync('zstd', ['-q', '-c'], {input: Buffer.concat([...blocks, Buffer.alloc(1024)])});
    const path = folder.join('evil.tar.zst');
    writeFileSync(path, stdout);
    return path;
  }

  it.each([
    [
      'an absolute path',
      [{name: '/tmp/fgimage-evil', text: 'x'}],
      '"/tmp/fgimage-evil": its path leads out of the folder',
    ],
    ['a path upwards', [{name: '../evil', text: 'x'}], '"../evil": its path leads out of the folder'],
    [
      'a path upwards and down',
      [{name: 'a/../../evil', text: 'x'}],
      '"a/../../evil": its path leads out of the folder',
    ],
    ['a dot', [{name: './a', text: 'x'}], '"./a": its path leads out of the folder'],
    [
      'a path through a link',
      [
        {name: 'out', type: '2', target: '/tmp'},
        {name: 'out/fgimage-evil', text: 'x'},
      ],
      '"out/fgimage-evil": its path leads through what is no folder',
    ],
    [
      'a hard link to the host',
      [{name: 'passwd', type: '1', target: '/etc/passwd'}],
      '"passwd": it is a link to what is not in the archive',
    ],
    [
      'a name twice',
      [
        {name: 'a', text: 'x'},
        {name: 'a', text: 'y'},
      ],
      '"a": it is there twice',
    ],
    [
      'a link instead of a folder',
      [
        {name: 'a/', type: '5'},
        {name: 'a', type: '2', target: '/'},
      ],
      '"a": it is there twice',
    ],
  ])('refuses %s before anything is written', async (_, entries, why) => {
    using folder = new TemporaryFolder();
    const file = archive(folder, entries);
    mkdirSync(folder.join('out'));
    const unpacking = unpackObject(file, folder.join('out'), {digest: '0'.repeat(64), signal: never});
    await expect(unpacking).rejects.toEqual(
      new RemoteError('damaged', `An object has an entry that is refused, ${why}`),
    );
    expect(readdirSync(folder.join('out'))).toEqual([]);
    expect(existsSync('/tmp/fgimage-evil')).toBe(false);
    expect(existsSync(folder.join('evil'))).toBe(false);
  });

  it('keeps nothing of a tree with another digest', async () => {
    using folder = new TemporaryFolder();
    const {path} = await sampleTree(folder, 'tree');
    await packObject(path, folder.join('x'), never);
    mkdirSync(folder.join('out'));
    const unpacking = unpackObject(folder.join('x'), folder.join('out'), {
      digest: '0'.repeat(64),
      signal: never,
    });
    await expect(unpacking).rejects.toEqual(
      new RemoteError('damaged', 'What was unpacked is not what the record says'),
    );
    expect(readdirSync(folder.join('out'))).toEqual([]);
  });

  it('keeps nothing of half an archive, or of what is none', async () => {
    using folder = new TemporaryFolder();
    const {path, digest} = await sampleTree(folder, 'tree');
    const {sizeBytes} = await packObject(path, folder.join('x'), never);
    truncateSync(folder.join('x'), Math.floor(sizeBytes / 2));
    mkdirSync(folder.join('out'));
    const half = unpackObject(folder.join('x'), folder.join('out'), {digest, signal: never});
    await expect(half).rejects.toMatchObject({name: 'RemoteError', kind: 'damaged'});
    writeFileSync(folder.join('y'), 'no archive');
    const none = unpackObject(folder.join('y'), folder.join('out'), {digest, signal: never});
    await expect(none).rejects.toMatchObject({name: 'RemoteError', kind: 'damaged'});
    expect(readdirSync(folder.join('out'))).toEqual([]);
  });

  it('does not touch a tree that is there', async () => {
    using folder = new TemporaryFolder();
    const {path, digest} = await sampleTree(folder, 'tree');
    await packObject(path, folder.join('x'), never);
    mkdirSync(folder.join('out'));
    renameSync(path, folder.join('out', 'tree'));
    const unpacking = unpackObject(folder.join('x'), folder.join('out'), {digest, signal: never});
    await expect(unpacking).rejects.toMatchObject({code: 'EEXIST'});
    expect(await digestOf(folder.join('out', 'tree'))).toBe(digest);
  });
});
