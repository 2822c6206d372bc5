import {readdirSync, rmSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {Store} from '../../../cache/store.ts';
import {FgError} from '../../../src/errors.ts';
import {fail, ok} from '../../../src/result.ts';
import type {FailMode} from '../../../src/run/engine-options.ts';
import type {RunEvent} from '../../../src/run/events.ts';
import {Pools} from '../../../src/run/pools.ts';
import type {StageRunner} from '../../../src/stages/stage.ts';
import {type Built, digestOf, fates, Gate, give, Machine, node, told, writeText} from './small-graph.ts';

const chain = [node('a'), node('b', {on: ['a']}), node('c', {on: ['b']})];

/** Fails as a command does that was told to. */
const refuse: StageRunner = () =>
  Promise.resolve(fail({failure: {reason: 'refused', message: 'no', hint: 'none'}}));

/** A run in which nothing may run. */
const mustNotRun = {
  runnerOf: () => Promise.reject(new Error('A stage runs')),
};

describe('the content of stages', () => {
  it('is taken from the cache where the key is known, without reading it', async () => {
    using machine = new Machine();
    const first = await machine.build(chain);
    expect(fates(first)).toEqual({a: 'run', b: 'run', c: 'run'});
    expect(machine.textOf(first, 'c')).toBe('a+b+c');
    machine.purge();
    const second = await machine.build(chain, mustNotRun);
    expect(fates(second)).toEqual({a: 'cached', b: 'cached', c: 'cached'});
    expect(readdirSync(machine.store.layout.tmp)).toEqual([]);
  });

  it('stops the wave when it is the same although the key is another', async () => {
    using machine = new Machine();
    await machine.build(chain);
    const commented = chain.with(0, node('a', {params: {comment: 'does nothing'}}));
    const again = await machine.build(commented);
    expect(fates(again)).toEqual({a: 'run', b: 'cached', c: 'cached'});
  });

  it('is made again only for a stage that runs, and all that this one needs', async () => {
    using machine = new Machine();
    const first = await machine.build(chain);
    machine.purge();
    const changed = chain.with(2, node('c', {on: ['b'], params: {text: 'C'}}));
    const second = await machine.build(changed);
    expect(told(second, 'stage-started')).toEqual(['a', 'b', 'c']);
    expect(machine.textOf(second, 'c')).toBe('a+b+C');
    expect(digestOf(second.states, 'b')).toBe(digestOf(first.states, 'b'));
    expect(second.events.filter(({type}) => type === 'warning')).toEqual([]);
  });

  it('is made again where it is wanted for its own sake', async () => {
    using machine = new Machine();
    const first = await machine.build(chain);
    rmSync(machine.store.objectPath(digestOf(first.states, 'c')), {recursive: true});
    const second = await machine.build(chain, {wanted: ({id}) => id === 'c'});
    expect(fates(second)).toEqual({a: 'cached', b: 'cached', c: 'run'});
  });

  it('that comes out another way opens what was known on top of it', async () => {
    using machine = new Machine();
    const nodes = [...chain, node('d', {on: ['c']})];
    const first = await machine.build(nodes);
    for (const id of ['a', 'b', 'c'])
      rmSync(machine.store.objectPath(digestOf(first.states, id)), {recursive: true});
    const second = await machine.build(nodes.with(3, node('d', {on: ['c'], params: {text: 'D'}})), {
      runners: {
        a: (context) => {
          give(context, 'other');
          return Promise.resolve(ok({result: {}}));
        },
      },
    });
    expect(machine.textOf(second, 'd')).toBe('other+b+c+D');
    expect(second.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))).toEqual([
      `a gave other content than before from the same inputs (${digestOf(first.states, 'a').slice(0, 12)}… was purged): it is not reproducible`,
    ]);
  });

  it('that comes out another way makes what ran meanwhile run once more on top of it', async () => {
    using machine = new Machine();
    // The test needs the artifact only, which is here; the other target needs the base, which is not.
    const nodes = [
      node('base'),
      node('pack', {on: ['base']}),
      node('test', {on: ['pack']}),
      node('other', {on: ['base']}),
    ];
    const first = await machine.build(nodes.slice(0, 2));
    rmSync(machine.store.objectPath(digestOf(first.states, 'base')), {recursive: true});
    const tested = new Gate();
    const second = await machine.build(nodes, {
      runners: {
        test: async (context) => {
          await writeText(context);
          tested.open();
          return ok({result: {}});
        },
        base: async (context) => {
          await tested.passed;
          give(context, 'other');
          return ok({result: {}});
        },
      },
    });
    expect(machine.textOf(second, 'pack')).toBe('other+pack');
    expect(machine.textOf(second, 'test')).toBe('other+pack+test');
    expect(machine.textOf(second, 'other')).toBe('other+other');
  });

  it('counts as nothing when a stage made it from inputs that were not what they should be', async () => {
    using machine = new Machine();
    const first = await machine.build(chain);
    machine.flipBit(first, 'a');
    const second = await machine.build(chain.with(1, node('b', {on: ['a'], params: {text: 'B'}})));
    expect(machine.textOf(second, 'c')).toBe('a+B+c');
    expect(told(second, 'stage-started')).toEqual(['b', 'a', 'b', 'c']);
    const found = second.events.filter((event) => event.type === 'content-corrupt');
    const digest = digestOf(first.states, 'a');
    expect(found).toMatchObject([{stage: 'a', digest, problem: 'text is not what it was'}]);
    expect(readdirSync(machine.store.layout.corrupt)).toEqual([
      found[0]?.place.slice(machine.store.layout.corrupt.length + 1),
    ]);
    expect(digestOf(second.states, 'a')).toBe(digest);
    expect(await machine.store.check(digest)).toBeUndefined();
  });

  it('that is spoilt is set aside once, whoever else read it', async () => {
    using machine = new Machine();
    const first = await machine.build([node('a')]);
    machine.flipBit(first, 'a');
    const nodes = [node('a'), node('x', {on: ['a']}), node('y', {on: ['a']})];
    const healed = new Gate();
    let turns = 0;
    const second = await machine.build(nodes, {
      emit: (event) => {
        if (event.type === 'stage-finished' && event.stage === 'a') healed.open();
      },
      runners: {
        y: async (context) => {
          turns += 1;
          give(context, 'y');
          if (turns === 1) await healed.passed;
          return ok({result: {}});
        },
      },
    });
    expect(told(second, 'content-corrupt')).toEqual(['a']);
    expect(told(second, 'stage-finished').filter((stage) => stage === 'a')).toEqual(['a']);
    expect([machine.textOf(second, 'x'), machine.textOf(second, 'y')]).toEqual(['a+x', 'a+y']);
    expect(readdirSync(machine.store.layout.corrupt)).toHaveLength(1);
  });

  it('is read once in a run, and not at all where the run made it', async () => {
    using machine = new Machine();
    await machine.build([node('a')]);
    const checked: string[] = [];
    const check = machine.store.check.bind(machine.store);
    machine.store.check = (digest) => {
      checked.push(digest);
      return check(digest);
    };
    const nodes = [
      node('a'),
      ...['x', 'y', 'z'].map((id) => node(id, {on: ['a']})),
      node('end', {on: ['x', 'y', 'z']}),
    ];
    const {states} = await machine.build(nodes);
    expect(checked).toEqual([digestOf(states, 'a')]);
  });
});

describe('what a stage finds out', () => {
  const lists = (version: string): ReturnType<typeof node> =>
    node('archive', {kind: 'archive', params: {version}});
  const nodes = (version: string) => [
    lists(version),
    node('packages', {on: ['archive']}),
    node('above', {on: ['packages']}),
  ];
  /** Its packages do not hang on the version of the lists. */
  const runners = (packages: readonly string[], installed: string[]): Record<string, StageRunner> => ({
    archive: (context) => {
      give(context, JSON.stringify(context.node.params['version']));
      return Promise.resolve(ok({result: {}}));
    },
    packages: (context) => {
      if (context.isKnown({packages}, 'archive')) return Promise.resolve(ok({result: {}}));
      installed.push(packages.join());
      give({...context, inputs: new Map()}, packages.join());
      return Promise.resolve(ok({result: {}}));
    },
  });

  it('takes the place of an input: packages that newer lists resolve the same are known', async () => {
    using machine = new Machine();
    const installed: string[] = [];
    await machine.build(nodes('1'), {runners: runners(['jq 1'], installed)});
    const newer = await machine.build(nodes('2'), {runners: runners(['jq 1'], installed)});
    expect(fates(newer)).toEqual({archive: 'run', packages: 'cached', above: 'cached'});
    expect(installed).toEqual(['jq 1']);
    expect(fates(await machine.build(nodes('2'), mustNotRun))).toEqual({
      archive: 'cached',
      packages: 'cached',
      above: 'cached',
    });
    const other = await machine.build(nodes('3'), {runners: runners(['jq 2'], installed)});
    expect(fates(other)).toEqual({archive: 'run', packages: 'run', above: 'run'});
    expect(machine.textOf(other, 'above')).toBe('jq 2+above');
  });

  it('does not spare a stage that is forced to run', async () => {
    using machine = new Machine();
    const installed: string[] = [];
    await machine.build(nodes('1'), {runners: runners(['jq 1'], installed)});
    const forced = await machine.build(nodes('2'), {
      runners: runners(['jq 1'], installed),
      force: ({id}) => id === 'packages',
    });
    expect(fates(forced)).toEqual({archive: 'run', packages: 'run', above: 'cached'});
    expect(installed).toEqual(['jq 1', 'jq 1']);
  });
});

describe('forced stages and a cache that is off', () => {
  it('run again, and what they give is kept', async () => {
    using machine = new Machine();
    await machine.build(chain);
    const forced = await machine.build(chain, {force: ({id}) => id === 'a'});
    expect(fates(forced)).toEqual({a: 'run', b: 'cached', c: 'cached'});
    const off = await machine.build(chain, {readCache: false});
    expect(fates(off)).toEqual({a: 'run', b: 'run', c: 'run'});
    expect(fates(await machine.build(chain, mustNotRun))).toEqual({a: 'cached', b: 'cached', c: 'cached'});
  });

  it('tell whether they gave the same as before', async () => {
    using machine = new Machine();
    await machine.build(chain);
    const {events} = await machine.build(chain, {
      force: () => true,
      runners: {
        b: (context) => {
          give(context, 'other');
          return Promise.resolve(ok({result: {}}));
        },
      },
    });
    const unchanged = events.flatMap((event) =>
      event.type === 'stage-finished' ? [[event.stage, event.unchanged]] : [],
    );
    expect(unchanged).toEqual([
      ['a', true],
      ['b', false],
      ['c', false],
    ]);
  });
});

describe('scheduling', () => {
  it('never takes more of a pool than there is, and as much as there is', async () => {
    using machine = new Machine();
    const pools = new Pools({cpu: 3, memory: 3000, boots: 1, transfers: 1});
    const kinds = ['provision', 'test', 'pack', 'archive'] as const;
    const nodes = Array.from({length: 24}, (_, index) =>
      node(`s${String(index)}`, {kind: kinds[index % kinds.length] ?? 'provision'}),
    );
    const built = await machine.build(nodes, {pools});
    expect(new Set(Object.values(fates(built)))).toEqual(new Set(['run']));
    expect(pools.peak.cpu).toBe(3);
    expect(pools.peak.memory).toBeLessThanOrEqual(3000);
    expect(pools.peak.boots).toBe(1);
    expect(pools.peak.transfers).toBe(1);
    expect(pools.tryTake({cpu: 3, memory: 3000, boots: 1, transfers: 1})).toBe(true);
  });

  it('gives back what a stage took that failed', async () => {
    using machine = new Machine();
    const pools = new Pools({cpu: 1, memory: 512, boots: 1, transfers: 1});
    const built = await machine.build([node('a'), node('b')], {pools, runners: {a: refuse}});
    expect(fates(built)).toEqual({a: 'failed', b: 'run'});
  });

  it('starts what the end has to wait for longest', async () => {
    using machine = new Machine();
    const nodes = [node('short'), node('long-1'), node('long-2', {on: ['long-1']}), node('middle')];
    const estimates: Readonly<Record<string, number>> = {short: 1, 'long-1': 5, 'long-2': 20, middle: 10};
    const built = await machine.build(nodes, {
      pools: new Pools({cpu: 1, memory: 512, boots: 1, transfers: 1}),
      estimateMs: ({id}) => estimates[id] ?? 0,
    });
    expect(told(built, 'stage-started')).toEqual(['long-1', 'long-2', 'middle', 'short']);
  });

  it('starts nothing but package lists before all of them are there, and nothing when they are refused', async () => {
    using machine = new Machine();
    const nodes = [node('lists', {kind: 'archive'}), node('free'), node('above', {on: ['free']})];
    const built = await machine.build(nodes, {
      gate: (outputOf) =>
        Promise.resolve(
          outputOf('lists') === undefined
            ? undefined
            : {reason: 'unknown-package', diagnostics: ['There is no package crul']},
        ),
    });
    expect(told(built, 'stage-started')).toEqual(['lists']);
    expect(fates(built)).toEqual({lists: 'run', free: 'failed', above: 'skipped'});
  });
});

describe('a failure', () => {
  /** `bad` fails while `slow` runs, which ends then or when it is told to. */
  async function failing(mode: FailMode): Promise<Built> {
    using machine = new Machine();
    const running = new Gate();
    const failed = new Gate();
    return await machine.build(
      [node('bad'), node('slow'), node('below-bad', {on: ['bad']}), node('later', {on: ['slow']})],
      {
        fail: mode,
        emit: (event) => {
          if (event.type === 'stage-failed') failed.open();
        },
        runners: {
          bad: async (context) => {
            await running.passed;
            return refuse(context);
          },
          slow: async (context) => {
            running.open();
            await failed.passed;
            give(context, context.signal.aborted ? 'aborted' : 'slow');
            return ok({result: {}});
          },
        },
      },
    );
  }

  it.each<[FailMode, Record<string, string>]>([
    ['continue', {bad: 'failed', slow: 'run', 'below-bad': 'skipped', later: 'run'}],
    ['finish', {bad: 'failed', slow: 'run', 'below-bad': 'skipped', later: 'skipped'}],
    ['fast', {bad: 'failed', slow: 'skipped', 'below-bad': 'skipped', later: 'skipped'}],
  ])('with --fail %s', async (mode, expected) => {
    const built = await failing(mode);
    expect(fates(built)).toEqual(expected);
    expect(built.states.get('below-bad')).toEqual({state: 'skipped', because: 'bad'});
  });

  it.each<[string, () => Error, object]>([
    [
      'of what a person can mend',
      () => new FgError('USAGE', 'Not so', {hint: 'So'}),
      {reason: 'refused', message: 'Not so', hint: 'So'},
    ],
    ['of a full disk', () => Object.assign(new Error('full'), {code: 'ENOSPC'}), {reason: 'no-space'}],
    ['of a bad disk', () => Object.assign(new Error('bad'), {code: 'EIO'}), {reason: 'io-error'}],
  ])('%s is the failure of its stage', async (_, error, failure) => {
    using machine = new Machine();
    const built = await machine.build(chain, {runners: {b: () => Promise.reject(error())}});
    expect(fates(built)).toEqual({a: 'run', b: 'failed', c: 'skipped'});
    expect(built.states.get('b')).toMatchObject({failure});
  });

  it('of our own is thrown', async () => {
    using machine = new Machine();
    const defect = new TypeError('a defect');
    await expect(machine.build(chain, {runners: {b: () => Promise.reject(defect)}})).rejects.toBe(defect);
    expect(readdirSync(machine.store.layout.tmp)).toEqual([]);
    expect(readdirSync(machine.store.layout.locks)).toEqual([]);
  });

  it('is that of a stage whose file was edited while it ran', async () => {
    using machine = new Machine();
    const reading = {...node('a'), files: {'setup.sh': 'f'.repeat(64)}};
    const built = await machine.build([reading], {hasChanged: (path) => path === 'setup.sh'});
    expect(built.states.get('a')).toMatchObject({
      state: 'failed',
      failure: {reason: 'input-changed', paths: ['setup.sh']},
    });
    expect(fates(await machine.build([reading]))).toEqual({a: 'run'});
  });

  it('is that of a stage whose program the host lacks', async () => {
    using machine = new Machine();
    const built = await machine.build([{...node('a'), tools: ['no-such-program']}, node('b')]);
    expect(fates(built)).toEqual({a: 'failed', b: 'run'});
    expect(built.states.get('a')).toMatchObject({failure: {reason: 'tool-missing', tool: 'no-such-program'}});
  });

  it('leaves the record of a stage that is forced as it was', async () => {
    using machine = new Machine();
    const first = await machine.build(chain);
    const built = await machine.build(chain, {force: ({id}) => id === 'b', runners: {b: refuse}});
    expect(fates(built)).toEqual({a: 'cached', b: 'failed', c: 'skipped'});
    expect(fates(await machine.build(chain, mustNotRun))).toEqual({a: 'cached', b: 'cached', c: 'cached'});
    expect(await machine.store.check(digestOf(first.states, 'b'))).toBeUndefined();
  });
});

describe('a cancelled run', () => {
  it('ends what runs, skips the rest and leaves nothing', async () => {
    using machine = new Machine();
    const controller = new AbortController();
    const built = await machine.build(chain, {
      signal: controller.signal,
      runners: {
        b: (context) => {
          controller.abort();
          give(context, 'half');
          return Promise.resolve(ok({result: {}}));
        },
      },
    });
    expect(fates(built)).toEqual({a: 'run', b: 'skipped', c: 'skipped'});
    expect(told(built, 'stage-failed')).toEqual([]);
    expect(readdirSync(machine.store.layout.tmp)).toEqual([]);
    expect(readdirSync(machine.store.layout.locks)).toEqual([]);
    expect(fates(await machine.build(chain))).toEqual({a: 'cached', b: 'run', c: 'run'});
  });
});

describe('two runs over one cache', () => {
  it('run a key once: the other waits, is told for whom, and takes the result', async () => {
    using machine = new Machine();
    const other = Store.open(machine.store.layout.root);
    try {
      const started = new Gate();
      const waited = new Gate();
      const runs: string[] = [];
      const slow =
        (who: string): StageRunner =>
        async (context) => {
          runs.push(`${who} ${context.node.id}`);
          started.open();
          await waited.passed;
          return writeText(context);
        };
      const first = machine.build(chain, {runners: {a: slow('first')}});
      await started.passed;
      const second = machine.build(chain, {
        store: other,
        runners: {a: slow('second')},
        emit: (event) => {
          if (event.type === 'stage-waiting') waited.open();
        },
      });
      const [one, two] = [await first, await second];
      expect(runs).toEqual(['first a']);
      const waiting = two.events.flatMap((event) => (event.type === 'stage-waiting' ? [event] : []));
      expect(waiting[0]).toMatchObject({
        stage: 'a',
        owner: {pid: process.pid, host: hostname(), command: expect.stringMatching(/^fgimage/) as string},
      });
      expect(two.states.get('a')).toMatchObject({state: 'cached'});
      expect(digestOf(two.states, 'c')).toBe(digestOf(one.states, 'c'));
      // Each of the stages ran in one of the two.
      expect([...told(one, 'stage-started'), ...told(two, 'stage-started')].toSorted()).toEqual([
        'a',
        'b',
        'c',
      ]);
      expect(readdirSync(machine.store.layout.locks)).toEqual([]);
    } finally {
      other.close();
    }
  });

  it('ends the waiting of one that is cancelled', async () => {
    using machine = new Machine();
    const other = Store.open(machine.store.layout.root);
    try {
      const started = new Gate();
      const ended = new Gate();
      const first = machine.build([node('a')], {
        runners: {
          a: async (context) => {
            started.open();
            await ended.passed;
            return writeText(context);
          },
        },
      });
      await started.passed;
      const controller = new AbortController();
      const second = await machine.build([node('a')], {
        store: other,
        signal: controller.signal,
        emit: (event: RunEvent) => {
          if (event.type === 'stage-waiting') controller.abort();
        },
      });
      expect(fates(second)).toEqual({a: 'skipped'});
      ended.open();
      expect(fates(await first)).toEqual({a: 'run'});
    } finally {
      other.close();
    }
  });

  it('makes what the other made and lost again', async () => {
    using machine = new Machine();
    const first = await machine.build(chain);
    const second = await machine.build(chain.with(2, node('c', {on: ['b'], params: {text: 'C'}})), {
      // Another process takes it away between the plan of this run and its start.
      gate: () => {
        rmSync(join(machine.store.layout.objects, digestOf(first.states, 'b')), {
          recursive: true,
          force: true,
        });
        return Promise.resolve(undefined);
      },
    });
    expect(machine.textOf(second, 'c')).toBe('a+b+C');
    expect(fates(second)).toEqual({a: 'cached', b: 'run', c: 'run'});
  });
});
