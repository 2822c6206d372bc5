import {existsSync, readdirSync} from 'node:fs';
import {hostname} from 'node:os';
import {describe, expect, it} from 'vitest';
import type {LockOwner} from '../../../cache/lock.ts';
import {lockKey} from '../../../src/run/key-lock.ts';
import {HoldingProcess} from '../../rig/child.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const never = new AbortController().signal;

function mustNotWait(owner: LockOwner): void {
  throw new Error(`It waits for ${JSON.stringify(owner)}`);
}

/** Another process that holds the lock until it is killed. */
function holder(path: string): Promise<HoldingProcess> {
  return HoldingProcess.start(
    'cache/lock.js',
    'globalThis.lock = module.tryLock(parameters[0]); console.log(lock ? "has it" : "has it not");',
    [path],
  );
}

describe('lockKey', () => {
  it('gives a free lock at once, and leaves nothing of it', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('key.lock');
    for (let turn = 0; turn < 2; turn += 1) {
      await using lock = await lockKey(path, never, mustNotWait);
      expect(lock).toBeDefined();
      expect(existsSync(path)).toBe(true);
    }
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('waits for another process, says once for whom, and has it when that one is killed', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('key.lock');
    await using other = await holder(path);
    expect(other.line).toBe('has it');
    const owners: LockOwner[] = [];
    const before = Date.now();
    await using lock = await lockKey(path, never, (owner) => {
      owners.push(owner);
      void other.kill();
    });
    expect(lock).toBeDefined();
    expect(owners).toMatchObject([{pid: other.process.pid, host: hostname()}]);
    expect(owners[0]?.since).toBeLessThanOrEqual(Date.now());
    expect(owners[0]?.since).toBeGreaterThan(before - 60_000);
    expect(await holderLine(path)).toBe('has it not');
  });

  it('gives nothing when the run is cancelled meanwhile', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('key.lock');
    await using other = await holder(path);
    const controller = new AbortController();
    const lock = await lockKey(path, controller.signal, () => controller.abort());
    expect(lock).toBeUndefined();
    expect(await holderLine(path)).toBe('has it not');
    expect(other.process.exitCode).toBeNull();
  });

  it('gives nothing in a run that was cancelled before', async () => {
    using folder = new TemporaryFolder();
    expect(await lockKey(folder.join('key.lock'), AbortSignal.abort(), mustNotWait)).toBeUndefined();
    expect(readdirSync(folder.path)).toEqual([]);
  });

  it('is held by one at a time, however many want it', async () => {
    using folder = new TemporaryFolder();
    const path = folder.join('key.lock');
    let inside = 0;
    let most = 0;
    let turns = 0;
    await Promise.all(
      Array.from({length: 6}, async () => {
        await using lock = await lockKey(path, never, () => undefined);
        if (lock === undefined) return;
        inside += 1;
        turns += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
      }),
    );
    expect({most, turns}).toEqual({most: 1, turns: 6});
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

/** What another process gets of the lock. */
async function holderLine(path: string): Promise<string> {
  await using other = await holder(path);
  return other.line;
}
