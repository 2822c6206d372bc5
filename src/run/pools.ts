import {availableParallelism, freemem} from 'node:os';
import {FgError} from '../errors.ts';
import type {StageKind} from '../plan/graph.ts';

/**
 * What stages that run side by side share: processors, memory (MiB), guests booted at once, transfers to and from a
 * remote cache. As Ninja's pools: a stage starts when all that it takes is free.
 */
const poolNames = ['cpu', 'memory', 'boots', 'transfers'] as const;
export type PoolName = (typeof poolNames)[number];
export type Capacity = Readonly<Record<PoolName, number>>;
export type Need = Partial<Capacity>;

/** What one stage of a kind takes. A booted guest has 2 GiB of memory (src/stages/test). */
export function needOf(kind: StageKind): Need {
  switch (kind) {
    case 'archive':
      return {transfers: 1};
    case 'base':
    case 'repositories':
    case 'settings':
    case 'users':
    case 'files':
    case 'services':
    case 'provision':
    case 'packages':
    case 'adapt':
    case 'initramfs':
    case 'sbom':
    case 'vet':
      return {cpu: 1, memory: 512};
    case 'pack':
      return {cpu: 1, memory: 1024};
    case 'test':
      return {cpu: 1, boots: 1, memory: 2560};
  }
}

/** What this host has: half as many guests as processors, since each has two. */
export function hostCapacity({
  jobs,
  pools,
}: {
  jobs?: number | undefined;
  pools?: Need | undefined;
} = {}): Capacity {
  const processors = availableParallelism();
  return {
    cpu: jobs ?? Math.max(2, processors),
    memory: Math.floor(freemem() / 2 ** 20),
    boots: Math.max(1, Math.floor(processors / 2)),
    transfers: 4,
    ...pools,
  };
}

/** Reads `--pool` values, `boots=2`. Throws `FgError` for another word. */
export function parsePools(words: readonly string[]): Need {
  const pools: Partial<Record<PoolName, number>> = {};
  for (const word of words) {
    const [, pool = '', count = ''] = /^([a-z]+)=([1-9]\d{0,8})$/.exec(word) ?? [];
    const name = poolNames.find((one) => one === pool);
    if (name === undefined) {
      throw new FgError('USAGE', `--pool wants a name and a whole number from 1, not ${word}`, {
        hint: `The pools are ${poolNames.join(', ')}: --pool boots=2`,
      });
    }
    pools[name] = Number(count);
  }
  return pools;
}

/** Counts what is taken. A need beyond the whole capacity is met when nothing else takes any: it can still run alone. */
export class Pools {
  readonly #capacity: Capacity;
  readonly #taken: Record<PoolName, number> = {cpu: 0, memory: 0, boots: 0, transfers: 0};
  readonly #peak: Record<PoolName, number> = {cpu: 0, memory: 0, boots: 0, transfers: 0};

  constructor(capacity: Capacity) {
    this.#capacity = capacity;
  }

  /** The most that was ever taken at once. */
  get peak(): Capacity {
    return this.#peak;
  }

  /** Takes all or nothing. */
  tryTake(need: Need): boolean {
    const fits = poolNames.every((name) => {
      const wanted = need[name] ?? 0;
      return wanted === 0 || this.#taken[name] === 0 || this.#taken[name] + wanted <= this.#capacity[name];
    });
    if (!fits) return false;
    for (const name of poolNames) {
      this.#taken[name] += need[name] ?? 0;
      this.#peak[name] = Math.max(this.#peak[name], this.#taken[name]);
    }
    return true;
  }

  giveBack(need: Need): void {
    for (const name of poolNames) this.#taken[name] -= need[name] ?? 0;
  }
}
