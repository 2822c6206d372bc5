import {existsSync} from 'node:fs';
import {hostname} from 'node:os';
import {describe, expect, it} from 'vitest';
import {lockOwner, tryLock} from '../../../cache/lock.ts';
import {HoldingProcess} from '../../rig/child.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const take = `const lock = module.tryLock(parameters[0]);\nconsole.log(lock === undefined ? 'busy' : 'taken');`;

describe('tryLock()', () => {
  it('refuses a second taker of this process until the first has released it', () => {
    using folder = new TemporaryFolder();
    const path = folder.join('a.lock');
    const first = tryLock(path);
    expect(first).toBeDefined();
    expect(tryLock(path)).toBeUndefined();
    first?.release();
    const second = tryLock(path);
    expect(second).toBeDefined();
    second?.release();
  });

  it('refuses a taker of another process while this one holds it', async () => {
    using folder = new TemporaryFolder();
    const lock = tryLock(folder.join('a.lock'));
    await using child = await HoldingProcess.start('cache/lock.js', take, [folder.join('a.lock')]);
    expect(child.line).toBe('busy');
    lock?.release();
  });

  it('refuses while another process holds it, and takes it once that was killed', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('a.lock');
    await using child = await HoldingProcess.start('cache/lock.js', take, [path]);
    expect(child.line).toBe('taken');
    expect(tryLock(path)).toBeUndefined();
    await child.kill();
    const lock = tryLock(path);
    expect(lock).toBeDefined();
    lock?.release();
  });

  it('keeps locks of other paths apart', () => {
    using folder = new TemporaryFolder();
    const locks = ['a.lock', 'b.lock'].map((name) => tryLock(folder.join(name)));
    expect(locks.every((lock) => lock !== undefined)).toBe(true);
    for (const lock of locks) lock?.release();
  });

  it('throws when the folder is not there', () => {
    using folder = new TemporaryFolder();
    expect(() => tryLock(folder.join('absent/a.lock'))).toThrow();
  });
});

describe('lockOwner()', () => {
  it('tells who holds a lock, and nothing of one that is free', () => {
    using folder = new TemporaryFolder();
    const path = folder.join('a.lock');
    expect(lockOwner(path)).toBeUndefined();
    const before = Date.now();
    const lock = tryLock(path);
    const owner = lockOwner(path);
    expect(owner).toMatchObject({pid: process.pid, host: hostname()});
    expect(owner?.since).toBeGreaterThanOrEqual(before);
    expect(owner?.since).toBeLessThanOrEqual(Date.now());
    lock?.release();
    expect(lockOwner(path)).toBeUndefined();
    expect(existsSync(`${path}.owner`)).toBe(false);
  });

  it('tells of a note that is not whole that it knows nothing', () => {
    using folder = new TemporaryFolder({'a.lock.owner': '{"pid":'});
    expect(lockOwner(folder.join('a.lock'))).toBeUndefined();
  });
});
