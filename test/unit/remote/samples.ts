import {execFileSync} from 'node:child_process';
import {symlinkSync} from 'node:fs';
import type {ActionRecord} from '../../../cache/record.ts';
import {generateKeyPair, parseSigningKey, type SigningKey} from '../../../cache/remote/signature.ts';
import {sha256, summarizeTree} from '../../../cache/tree.ts';
import {listXattrs} from '../../../cache/xattrs.ts';
import type {TemporaryFolder} from '../../rig/temporary-folder.ts';

export const never = new AbortController().signal;

/** A time in the past, so that nothing of now is in a tree. */
export const epoch = 1_686_355_200;

export function newKey(): SigningKey {
  return parseSigningKey(generateKeyPair().privatePem);
}

/** A key of a stage, by a word. */
export function keyOf(word: string): string {
  return sha256(word);
}

/** A tree with a file, a folder and a link, all with an old time; its path and digest. */
export async function sampleTree(
  folder: TemporaryFolder,
  name: string,
  text = 'hello\n',
): Promise<{readonly path: string; readonly digest: string}> {
  folder.write({[`${name}/etc/motd`]: text, [`${name}/usr/bin/tool`]: '#!/bin/sh\n'});
  const path = folder.join(name);
  symlinkSync('usr/bin', `${path}/bin`);
  execFileSync('find', [path, '-depth', '-exec', 'touch', '-h', '-d', `@${epoch}`, '{}', '+']);
  return {path, digest: summarizeTree(path, {xattrs: await listXattrs(path)}).digest};
}

export function sampleRecord(word: string, digest: string, change: Partial<ActionRecord> = {}): ActionRecord {
  return {
    key: keyOf(word),
    stage: `customize:${word}/packages`,
    digest,
    sizeBytes: 16,
    durationMs: 4200,
    startedAt: 1_790_000_000_000,
    parts: {kind: 'packages', version: 1, params: {install: ['jq']}},
    result: {packages: 3},
    ...change,
  };
}

/** Sets an extended attribute, its value in hex; setfattr(1) is not on every host. lsetxattr(2) by number. */
export function setXattr(path: string, name: string, hex: string): void {
  const number = process.arch === 'arm64' ? '6' : '189';
  const script =
    'my ($c, $p, $n, $h) = @ARGV; my $v = pack "H*", $h; syscall($c + 0, $p, $n, $v, length $v, 0) == 0 or die "$n: $!"';
  execFileSync('perl', ['-e', script, number, path, name, hex]);
}
