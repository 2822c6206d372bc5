import {availableParallelism} from 'node:os';
import {describe, expect, it} from 'vitest';
import {hostCapacity, needOf, Pools, parsePools} from '../../../src/run/pools.ts';

const capacity = {cpu: 2, memory: 3000, boots: 1, transfers: 4};

describe('Pools', () => {
  it('take all that is asked for, or nothing', () => {
    const pools = new Pools(capacity);
    expect(pools.tryTake({cpu: 1, memory: 2000})).toBe(true);
    expect(pools.tryTake({cpu: 1, memory: 1001})).toBe(false);
    expect(pools.tryTake({cpu: 1, memory: 1000})).toBe(true);
    expect(pools.tryTake({cpu: 1})).toBe(false);
    expect(pools.tryTake({boots: 1, transfers: 4})).toBe(true);
    expect(pools.peak).toEqual({cpu: 2, memory: 3000, boots: 1, transfers: 4});
  });

  it('have what was given back', () => {
    const pools = new Pools(capacity);
    pools.tryTake({cpu: 2, memory: 10});
    pools.giveBack({cpu: 2, memory: 10});
    expect(pools.tryTake({cpu: 2, memory: 3000})).toBe(true);
    expect(pools.peak).toEqual({cpu: 2, memory: 3000, boots: 0, transfers: 0});
  });

  it('let a need that is beyond them run alone', () => {
    const pools = new Pools({...capacity, memory: 100});
    expect(pools.tryTake({cpu: 1, memory: 2560})).toBe(true);
    expect(pools.tryTake({cpu: 1, memory: 1})).toBe(false);
    pools.giveBack({cpu: 1, memory: 2560});
    expect(pools.tryTake({cpu: 1, memory: 1})).toBe(true);
    expect(pools.tryTake({cpu: 1, memory: 2560})).toBe(false);
  });
});

describe('what stages take', () => {
  it('keeps two guests, and a guest beside two other stages, from a host of two processors', () => {
    const pools = new Pools({cpu: 2, memory: 8192, boots: 1, transfers: 4});
    expect(pools.tryTake(needOf('test'))).toBe(true);
    expect(pools.tryTake(needOf('test'))).toBe(false);
    expect(pools.tryTake(needOf('pack'))).toBe(true);
    expect(pools.tryTake(needOf('pack'))).toBe(false);
    expect(pools.tryTake(needOf('archive'))).toBe(true);
  });
});

describe('hostCapacity', () => {
  it('is what the host has, unless the command line says otherwise', () => {
    const processors = availableParallelism();
    const {memory, ...counts} = hostCapacity();
    expect(counts).toEqual({
      cpu: Math.max(2, processors),
      boots: Math.max(1, Math.floor(processors / 2)),
      transfers: 4,
    });
    expect(memory).toBeGreaterThan(0);
    expect(hostCapacity({jobs: 7, pools: {memory: 512, boots: 3}})).toEqual({
      ...{cpu: 7, memory: 512, boots: 3, transfers: 4},
    });
    expect(hostCapacity({jobs: 7, pools: {cpu: 1}}).cpu).toBe(1);
  });
});

describe('parsePools', () => {
  it('reads names with numbers, the last of a name', () => {
    expect(parsePools([])).toEqual({});
    expect(parsePools(['boots=2', 'memory=4096', 'boots=1'])).toEqual({boots: 1, memory: 4096});
  });

  it.each([
    'boots',
    'boots=',
    'boots=0',
    'boots=-1',
    'boots=1.5',
    'boots=2x',
    'disks=1',
    '=1',
    'BOOTS=1',
    'boots=9999999999',
  ])('refuses %s with what to write', (word) => {
    expect(() => parsePools([word])).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: `--pool wants a name and a whole number from 1, not ${word}`,
        hint: 'The pools are cpu, memory, boots, transfers: --pool boots=2',
      }) as Error,
    );
  });
});
