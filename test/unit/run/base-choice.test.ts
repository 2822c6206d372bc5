import {describe, expect, it} from 'vitest';
import {Store} from '../../../cache/store.ts';
import type {StageNode} from '../../../src/plan/graph.ts';
import {type KeyParts, stageKey} from '../../../src/plan/key.ts';
import {type Choices, chooseBases, withoutClones} from '../../../src/run/base-choice.ts';
import {peekGraph} from '../../../src/run/peek.ts';
import {HostTools} from '../../../src/run/tools.ts';
import {publishFiles} from '../../rig/stored.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** A cache with a base, and an image whose packages are asked for. */
class Shelf implements Disposable {
  readonly #folder = new TemporaryFolder();
  readonly store = Store.open(this.#folder.join('cache'));
  readonly #digests = new Map<string, string>();

  [Symbol.dispose](): void {
    this.store.close();
    this.#folder[Symbol.dispose]();
  }

  /** Records a stage as a build does. */
  async record(node: StageNode): Promise<void> {
    const digest = await publishFiles(this.store, {content: node.id});
    this.#digests.set(node.id, digest);
    const parts: KeyParts = {
      kind: node.kind,
      version: node.version,
      params: node.params,
      inputs: node.dependsOn.map((id) => [id, this.#digests.get(id) ?? ''] as const),
      files: {},
      tools: {},
      environment: node.environment,
    };
    const times = {durationMs: 1, startedAt: 1, sizeBytes: 1};
    this.store.record({key: stageKey(parts), stage: node.id, digest, ...times, parts, result: {}});
  }

  /** Lets go of content, as gc does. */
  forget(id: string): void {
    this.store.quarantine(this.#digests.get(id) ?? '');
  }

  async choose(nodes: readonly StageNode[]): Promise<Choices> {
    const looking = {
      store: this.store,
      tools: new HostTools(this.store),
      readCache: true,
      trusts: () => false,
    };
    const peeked = await peekGraph({
      ...looking,
      nodes,
      force: () => false,
      wanted: () => false,
      signal: new AbortController().signal,
    });
    return chooseBases({...looking, nodes, peeked});
  }
}

const base = nodeOf('base:b', {kind: 'base', params: {of: 'all'}, dependsOn: []});

function nodeOf(id: string, node: Pick<StageNode, 'kind' | 'params' | 'dependsOn'>): StageNode {
  const image = /^customize:([^/]+)/.exec(id)?.[1];
  return {
    id,
    title: id,
    layers: [],
    version: 1,
    files: {},
    tools: [],
    environment: {},
    origins: [],
    ...(image === undefined ? {} : {image}),
    ...node,
  };
}

function packages(
  image: string,
  install: readonly string[],
  {
    remove = [],
    on = ['base:b'],
    name = 'packages',
  }: {remove?: readonly string[]; on?: readonly string[]; name?: string} = {},
): StageNode {
  return nodeOf(`customize:${image}/${name}`, {kind: 'packages', params: {install, remove}, dependsOn: on});
}

describe('chooseBases()', () => {
  it('takes the largest part, and says why', async () => {
    using shelf = new Shelf();
    for (const node of [
      base,
      packages('one', ['a']),
      packages('two', ['b', 'a']),
      packages('more', ['a', 'b', 'z']),
    ])
      await shelf.record(node);
    const {choices, clones} = await shelf.choose([base, packages('web', ['a', 'b', 'c'])]);
    expect(choices).toEqual([
      {
        image: 'web',
        stage: 'customize:web/packages',
        choice: 'clone',
        from: 'customize:two/packages',
        has: 2,
        wanted: 3,
        candidates: 2,
        reason: 'customize:two/packages has 2 of 3 packages on the same layers, the most of 2 candidates',
      },
    ]);
    expect([...clones]).toEqual([
      ['customize:web/packages', {layers: [['b', 'a']], from: 'customize:two/packages'}],
    ]);
    expect(withoutClones(choices, '--from-scratch')).toMatchObject([
      {choice: 'scratch', reason: '--from-scratch; customize:two/packages has 2 of 3 packages'},
    ]);
  });

  it('goes on from what was itself put on another image', async () => {
    using shelf = new Shelf();
    for (const node of [
      base,
      packages('one', ['a']),
      packages('two', ['a'], {name: 'shared'}),
      packages('two', ['a', 'b'], {on: ['base:b', 'customize:two/shared']}),
    ])
      await shelf.record(node);
    const {clones} = await shelf.choose([base, packages('web', ['c', 'a', 'b'])]);
    expect(clones.get('customize:web/packages')).toEqual({
      layers: [['a'], ['a', 'b']],
      from: 'customize:two/packages',
    });
  });

  it.each([
    ['took packages away', packages('one', ['a'], {remove: ['x']})],
    ['has other layers below', packages('one', ['a'], {on: []})],
    ['has a package that is not wanted', packages('one', ['a', 'x'])],
    ['is another kind of stage', {...packages('one', ['a']), kind: 'provision' as const}],
    ['is of other code', {...packages('one', ['a']), version: 2}],
    ['had another environment', {...packages('one', ['a']), environment: {LANG: 'C'}}],
  ])('takes nothing that %s', async (_, candidate) => {
    using shelf = new Shelf();
    await shelf.record(base);
    await shelf.record(candidate);
    const {choices, clones} = await shelf.choose([base, packages('web', ['a', 'b'])]);
    expect(clones.size).toBe(0);
    expect(choices).toMatchObject([
      {choice: 'scratch', reason: 'nothing in the cache has a part of its packages on the same layers'},
    ]);
  });

  it('says nothing of an image whose packages are known, and leaves alone one that takes packages away', async () => {
    using shelf = new Shelf();
    for (const node of [base, packages('one', ['a']), packages('web', ['a', 'b'])]) await shelf.record(node);
    const wanted = [base, packages('web', ['a', 'b']), packages('less', ['a', 'b'], {remove: ['x']})];
    expect(await shelf.choose(wanted)).toEqual({choices: [], clones: new Map()});
  });

  it('stays with what an image was put on before, whatever came since, whether or not it is still there', async () => {
    using shelf = new Shelf();
    for (const node of [
      base,
      packages('one', ['a']),
      packages('web', ['a'], {name: 'shared'}),
      packages('web', ['a', 'b', 'c'], {on: ['base:b', 'customize:web/shared']}),
      packages('later', ['a', 'b']),
    ])
      await shelf.record(node);
    const wanted = [base, packages('web', ['a', 'b', 'c'])];
    expect((await shelf.choose(wanted)).clones.get('customize:web/packages')?.layers).toEqual([['a']]);
    shelf.forget('customize:web/shared');
    expect((await shelf.choose(wanted)).clones.get('customize:web/packages')?.layers).toEqual([['a']]);
  });

  it('takes nothing whose content is gone', async () => {
    using shelf = new Shelf();
    await shelf.record(base);
    await shelf.record(packages('one', ['a']));
    shelf.forget('customize:one/packages');
    expect((await shelf.choose([base, packages('web', ['a', 'b'])])).clones.size).toBe(0);
  });

  it('waits for layers that have to be made', async () => {
    using shelf = new Shelf();
    const {choices} = await shelf.choose([base, packages('web', ['a'])]);
    expect(choices).toMatchObject([
      {choice: 'scratch', reason: 'base:b has to be made first', candidates: 0},
    ]);
  });
});
