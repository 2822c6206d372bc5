import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {sortPaxRecords} from '../../../src/stages/pack/pax.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** A record of a pax header: the length counts itself. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${String(length)}${rest}`;
}

function header(name: string, {type, size}: {type: string; size: number}): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function padded(text: string): Buffer {
  const data = Buffer.from(text);
  return Buffer.concat([data, Buffer.alloc((512 - (data.length % 512)) % 512)]);
}

function member(name: string, {records, content}: {records: readonly string[]; content: string}): Buffer {
  const extended = records.join('');
  return Buffer.concat([
    ...(records.length === 0
      ? []
      : [header(`PaxHeaders/${name}`, {type: 'x', size: Buffer.byteLength(extended)}), padded(extended)]),
    header(name, {type: '0', size: Buffer.byteLength(content)}),
    padded(content),
  ]);
}

const end = Buffer.alloc(1024);
const one = record('SCHILY.xattr.user.one', 'first');
const two = record('SCHILY.xattr.user.two', 'second '.repeat(120));
const acl = record('SCHILY.acl.access', 'user::rw-');

describe('sortPaxRecords()', () => {
  it('puts the records of every member in the order of their keys, and nothing else', () => {
    using folder = new TemporaryFolder();
    const path = folder.join('a.tar');
    const plain = member('plain', {records: [], content: 'x'.repeat(600)});
    const last = {content: 'c'};
    const archive = (records: readonly string[]): Buffer =>
      Buffer.concat([member('a', {records, content: ''}), plain, member('b', {records, ...last}), end]);
    writeFileSync(path, archive([two, one, acl]));
    sortPaxRecords(path);
    expect(readFileSync(path)).toEqual(archive([acl, one, two]));
    expect(execFileSync('tar', ['--list', '--file', path], {encoding: 'utf8'})).toBe('a\nplain\nb\n');
  });

  it('goes by the size in a pax header where there is one', () => {
    using folder = new TemporaryFolder();
    const path = folder.join('a.tar');
    const size = record('size', '3');
    const archive = (records: readonly string[]): Buffer =>
      Buffer.concat([
        header('PaxHeaders/big', {type: 'x', size: size.length}),
        padded(size),
        header('big', {type: '0', size: 0}),
        padded('abc'),
        member('b', {records, content: 'c'}),
        end,
      ]);
    writeFileSync(path, archive([two, one]));
    sortPaxRecords(path);
    expect(readFileSync(path)).toEqual(archive([one, two]));
  });

  it('leaves what tar(1) unpacks from it', () => {
    using folder = new TemporaryFolder();
    const name = 'long'.repeat(40);
    folder.write({[`tree/${name}`]: 'text'});
    const path = folder.join('a.tar');
    execFileSync('tar', ['--create', '--file', path, '--format=posix', '-C', folder.join('tree'), name]);
    const before = readFileSync(path);
    sortPaxRecords(path);
    // mtime, atime and ctime stand in another order there.
    expect(readFileSync(path)).not.toEqual(before);
    folder.write({'out/other': ''});
    execFileSync('tar', ['--extract', '--file', path, '-C', folder.join('out')]);
    expect(readFileSync(folder.join('out', name), 'utf8')).toBe('text');
  });

  it('says of a header that is broken', () => {
    using folder = new TemporaryFolder();
    const path = folder.join('a.tar');
    writeFileSync(path, Buffer.concat([header('x', {type: 'x', size: 9}), padded('no record'), end]));
    expect(() => sortPaxRecords(path)).toThrow('A pax header of the archive is broken');
  });
});
