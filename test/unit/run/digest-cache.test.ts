import {chmodSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {fingerprint} from '../../../src/plan/fingerprint.ts';
import {type Memory, ProjectDigests} from '../../../src/run/digest-cache.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** A memory that tells how often it was written. */
class Notes implements Memory {
  readonly values = new Map<string, string>();
  writes = 0;

  memo(key: string): string | undefined {
    return this.values.get(key);
  }

  setMemo(key: string, value: string): void {
    this.writes += 1;
    this.values.set(key, value);
  }
}

const later = 10_000;

/** Asks for a file's digest as if `afterMs` had passed since it was written; tells where the answer came from. */
function ask(digests: ProjectDigests, path: string, {afterMs = later}: {afterMs?: number} = {}): string {
  const stat = statSync(path, {bigint: true});
  const known = digests.get(path, stat);
  if (known !== undefined) return `known ${known}`;
  digests.set(path, {stat, statMs: Number(stat.ctimeMs) + afterMs, digest: 'D'});
  return 'read';
}

describe('ProjectDigests', () => {
  it('remembers a file for later runs, as long as its stat is the same', () => {
    using project = new TemporaryFolder({'a/setup.sh': 'true\n'});
    const notes = new Notes();
    const first = new ProjectDigests(project.path, notes);
    expect(ask(first, project.join('a/setup.sh'))).toBe('read');
    expect(ask(first, project.join('a/setup.sh'))).toBe('known D');
    first.save();
    expect(ask(new ProjectDigests(project.path, notes), project.join('a/setup.sh'))).toBe('known D');
  });

  it.each<[string, (path: string) => void]>([
    ['a byte was changed and its time put back', (path) => rewrite(path, 'trve\n')],
    ['it has another size', (path) => rewrite(path, 'true')],
    ['only its time changed', (path) => utimesSync(path, 1, 1)],
    ['only its mode changed', (path) => chmodSync(path, 0o700)],
    ['another file of the same content and time took its place', replace],
  ])('asks to read a file again when %s', (_, edit) => {
    using project = new TemporaryFolder({file: 'true\n'});
    const notes = new Notes();
    const digests = new ProjectDigests(project.path, notes);
    ask(digests, project.join('file'));
    digests.save();
    untilLater(project.join('file'));
    edit(project.join('file'));
    expect(ask(new ProjectDigests(project.path, notes), project.join('file'))).toBe('read');
  });

  it('holds what was written less than two seconds before it was read for no other run', () => {
    using project = new TemporaryFolder({file: 'true\n'});
    const notes = new Notes();
    const digests = new ProjectDigests(project.path, notes);
    expect(ask(digests, project.join('file'), {afterMs: 2000})).toBe('read');
    expect(ask(digests, project.join('file'), {afterMs: 2000})).toBe('read');
    digests.save();
    expect(notes.writes).toBe(0);
    expect(ask(digests, project.join('file'), {afterMs: 2001})).toBe('read');
    digests.save();
    expect(notes.writes).toBe(1);
    expect(ask(new ProjectDigests(project.path, notes), project.join('file'))).toBe('known D');
  });

  it('holds a file from the future for no other run', () => {
    using project = new TemporaryFolder({file: 'true\n'});
    utimesSync(project.join('file'), 4_000_000_000, 4_000_000_000);
    const digests = new ProjectDigests(project.path, new Notes());
    expect(ask(digests, project.join('file'))).toBe('read');
    expect(ask(digests, project.join('file'))).toBe('read');
  });

  it('writes once, and nothing when nothing is new', () => {
    using project = new TemporaryFolder({a: '', b: ''});
    const notes = new Notes();
    const digests = new ProjectDigests(project.path, notes);
    for (const name of ['a', 'b']) ask(digests, project.join(name));
    digests.save();
    digests.save();
    const again = new ProjectDigests(project.path, notes);
    for (const name of ['a', 'b']) ask(again, project.join(name));
    again.save();
    expect(notes.writes).toBe(1);
  });

  it('keeps files that a run did not ask for, and forgets those that are gone', () => {
    using project = new TemporaryFolder({a: '', b: '', c: ''});
    const notes = new Notes();
    const first = new ProjectDigests(project.path, notes);
    for (const name of ['a', 'b']) ask(first, project.join(name));
    first.save();
    rmSync(project.join('a'));
    const second = new ProjectDigests(project.path, notes);
    ask(second, project.join('c'));
    second.save();
    const [text = ''] = [...notes.values.values()];
    expect((JSON.parse(text) as string[]).filter((_, index) => index % 3 === 0)).toEqual(['b', 'c']);
  });

  it.each(['{}', '[1, 2, 3]', '["file"]', 'null'])('takes a memory of another form, %s, for none', (text) => {
    using project = new TemporaryFolder({file: ''});
    const notes = new Notes();
    const first = new ProjectDigests(project.path, notes);
    ask(first, project.join('file'));
    first.save();
    for (const key of notes.values.keys()) notes.values.set(key, text);
    expect(ask(new ProjectDigests(project.path, notes), project.join('file'))).toBe('read');
  });

  it('keeps the projects of one memory apart', () => {
    using one = new TemporaryFolder({file: ''});
    using other = new TemporaryFolder({file: ''});
    const notes = new Notes();
    const digests = new ProjectDigests(one.path, notes);
    ask(digests, one.join('file'));
    digests.save();
    expect(ask(new ProjectDigests(other.path, notes), other.join('file'))).toBe('read');
  });
});

describe('ProjectDigests.hasChanged()', () => {
  it.each([
    ['settled', later],
    ['only just written', 0],
  ])('is false for a file, %s, that nobody touched', (_, afterMs) => {
    using project = new TemporaryFolder({file: 'true\n'});
    const digests = new ProjectDigests(project.path, new Notes());
    see(digests, project.join('file'), afterMs);
    expect(digests.hasChanged(project.join('file'))).toBe(false);
  });

  it.each<[string, (path: string) => void]>([
    ['edited', (path) => writeFileSync(path, 'false\n')],
    ['edited to the same size and time', (path) => rewrite(path, 'trve\n')],
    ['replaced', replace],
    ['edited and put back', (path) => rewrite(path, 'true\n')],
    ['made executable', (path) => chmodSync(path, 0o755)],
    ['removed', (path) => rmSync(path)],
    ['replaced by a link to nothing', linkToNothing],
  ])('is true for a file that was %s meanwhile', (_, edit) => {
    using project = new TemporaryFolder({file: 'true\n'});
    chmodSync(project.join('file'), 0o644);
    const digests = new ProjectDigests(project.path, new Notes());
    see(digests, project.join('file'), later);
    untilLater(project.join('file'));
    edit(project.join('file'));
    // The plan's digest stands even when the file is read again.
    see(digests, project.join('file'), later);
    expect(digests.hasChanged(project.join('file'))).toBe(true);
  });

  it('reads a file again that was only just written: its stamp proves nothing', () => {
    using project = new TemporaryFolder({file: 'true\n'});
    const digests = new ProjectDigests(project.path, new Notes());
    const stat = statSync(project.join('file'), {bigint: true});
    digests.set(project.join('file'), {stat, statMs: Number(stat.ctimeMs), digest: sha256('what it was')});
    expect(digests.hasChanged(project.join('file'))).toBe(true);
  });

  it('is true for a file that was never seen', () => {
    using project = new TemporaryFolder({file: ''});
    expect(new ProjectDigests(project.path, new Notes()).hasChanged(project.join('file'))).toBe(true);
  });
});

describe('fingerprint()', () => {
  it('takes the digest of a settled file from the cache, with the execute bit of now', () => {
    using project = new TemporaryFolder({'run.sh': 'true\n'});
    chmodSync(project.join('run.sh'), 0o755);
    const digests = new ProjectDigests(project.path, new Notes());
    const stat = statSync(project.join('run.sh'), {bigint: true});
    digests.set(project.join('run.sh'), {stat, statMs: Number(stat.ctimeMs) + later, digest: 'D'});
    expect(fingerprint(project.path, 'run.sh', digests)).toBe('D+x');
  });

  it('tells the cache of a file that it had to read', () => {
    using project = new TemporaryFolder({'run.sh': 'true\n'});
    chmodSync(project.join('run.sh'), 0o644);
    const digests = new ProjectDigests(project.path, new Notes());
    expect(fingerprint(project.path, 'run.sh', digests)).toBe(sha256('true\n'));
    expect(digests.hasChanged(project.join('run.sh'))).toBe(false);
  });
});

/** Looks at a file for the first time, at a time that far after its last change. */
function see(digests: ProjectDigests, path: string, afterMs: number): void {
  const stat = statSync(path, {bigint: true, throwIfNoEntry: false});
  if (stat === undefined) return;
  digests.get(path, stat);
  digests.set(path, {stat, statMs: Number(stat.ctimeMs) + afterMs, digest: sha256('true\n')});
}

/** Comes back when a file that is written now gets a later time than this one has: the kernel's clock goes in ticks. */
function untilLater(path: string): void {
  const {ctimeNs} = statSync(path, {bigint: true});
  const probe = `${path}.probe`;
  do writeFileSync(probe, '');
  while (statSync(probe, {bigint: true}).ctimeNs <= ctimeNs);
  rmSync(probe);
}

/** Writes a file in place and sets its time to what it was: only the change time tells. */
function rewrite(path: string, text: string): void {
  const {atime, mtime} = statSync(path);
  writeFileSync(path, text);
  utimesSync(path, atime, mtime);
}

function replace(path: string): void {
  const {atime, mtime} = statSync(path);
  writeFileSync(`${path}.new`, 'true\n');
  utimesSync(`${path}.new`, atime, mtime);
  renameSync(`${path}.new`, path);
}

function linkToNothing(path: string): void {
  rmSync(path);
  symlinkSync('nowhere', path);
}
