import {describe, expect, it} from 'vitest';
import {changesBetween, reconcile, type WantedRegistration} from '../../../src/register/reconcile.ts';
import type {RemoteImage} from '../../../targets/registrar.ts';

const now = Date.UTC(2026, 0, 31);
const day = 86_400_000;

const wanted: WantedRegistration = {
  digest: 'new',
  lineage: 'lab/web/cloud',
  name: 'web',
  properties: {arch: 'x86_64'},
  hasUniqueNames: false,
  timeoutMs: 3_600_000,
};

function remote(id: string, parts: Partial<RemoteImage> & {readonly digest?: string} = {}): RemoteImage {
  const {digest = 'new', ...rest} = parts;
  return {
    id,
    name: 'web',
    mark: {digest, lineage: 'lab/web/cloud'},
    health: 'ready',
    status: 'active',
    properties: {arch: 'x86_64'},
    createdAt: now,
    ...rest,
  };
}

/** An image that fgimage did not register. */
function withoutMark(id: string): RemoteImage {
  return {id, name: 'web', health: 'ready', status: 'active', properties: {}};
}

/** The steps as short texts. */
function steps(found: readonly RemoteImage[], parts: Partial<WantedRegistration> = {}): readonly string[] {
  const result = reconcile({...wanted, ...parts}, found, now);
  if (!result.ok) return [`conflict ${result.error.reason} ${result.error.remote.id}`];
  return result.value.map((step) => {
    const of = 'remote' in step ? ` ${step.remote.id}` : '';
    return `${step.do}${of}${step.do === 'remove' ? ` ${step.why}` : ''}`;
  });
}

describe('reconcile() of the wanted image', () => {
  it('creates it where there is none, and leaves what is not ours alone', () => {
    const foreign = remote('foreign', {mark: {digest: 'new', lineage: 'other/web/cloud'}});
    const unmarked = withoutMark('unmarked');
    expect(steps([])).toEqual(['create']);
    expect(steps([foreign, unmarked], {keepLast: 1})).toEqual(['create']);
  });

  it('keeps one that is there and healthy', () => {
    expect(steps([remote('a')])).toEqual(['keep a']);
  });

  it('updates properties that differ, in place', () => {
    expect(reconcile(wanted, [remote('a', {properties: {arch: 'i386', old: '1'}})], now)).toEqual({
      ok: true,
      value: [
        {
          do: 'update',
          remote: expect.objectContaining({id: 'a'}) as unknown,
          changes: [
            {name: 'arch', from: 'i386', to: 'x86_64'},
            {name: 'old', from: '1'},
          ],
        },
      ],
    });
  });

  it('goes on with an upload that was interrupted', () => {
    expect(steps([remote('half', {health: 'pending'})])).toEqual(['finish half']);
  });

  it('goes on with the newest, and takes the others away', () => {
    const halves = ['old', 'new'].map((id, index) => remote(id, {health: 'pending', createdAt: now + index}));
    expect(steps(halves)).toEqual(['remove old left-behind', 'finish new']);
  });

  it('takes a broken one away before it makes another', () => {
    expect(steps([remote('bad', {health: 'broken'})])).toEqual(['remove bad broken', 'create']);
    expect(steps([remote('bad', {health: 'broken'})], {hasUniqueNames: true})).toEqual([
      'remove bad broken',
      'create',
    ]);
  });

  it('leaves one of two that are the same', () => {
    const twice = [remote('a', {createdAt: now - day}), remote('b')];
    expect(steps(twice)).toEqual(['keep b', 'remove a twice']);
    expect(steps([...twice, remote('c', {health: 'pending'})])).toEqual([
      'keep b',
      'remove a twice',
      'remove c left-behind',
    ]);
  });
});

describe('reconcile() of older images', () => {
  const older = [1, 2, 3].map((days) =>
    remote(`${days}d`, {digest: `d${days}`, createdAt: now - days * day}),
  );

  it('keeps them where nothing else is said', () => {
    expect(steps([remote('a'), ...older])).toEqual(['keep a']);
  });

  it('keeps the last ones, the wanted one among them', () => {
    expect(steps([remote('a'), ...older], {keepLast: 2})).toEqual([
      'keep a',
      'remove 2d superseded',
      'remove 3d superseded',
    ]);
    expect(steps(older, {keepLast: 1})).toEqual([
      'create',
      'remove 1d superseded',
      'remove 2d superseded',
      'remove 3d superseded',
    ]);
  });

  it('marks those that are old enough as deprecated, once', () => {
    const marked = older.map((one) => (one.id === '3d' ? {...one, deprecated: true} : one));
    expect(steps([remote('a', {createdAt: now - 9 * day}), ...marked], {deprecateAfterMs: 2 * day})).toEqual([
      'keep a',
      'deprecate 2d',
    ]);
  });

  it('takes away what was left of other uploads, when their time is over', () => {
    const halves = [
      remote('fresh', {digest: 'd1', health: 'pending', createdAt: now - 60_000}),
      remote('stale', {digest: 'd2', health: 'pending', createdAt: now - day}),
      remote('bad', {digest: 'd3', health: 'broken'}),
    ];
    expect(steps([remote('a'), ...halves])).toEqual([
      'keep a',
      'remove stale left-behind',
      'remove bad broken',
    ]);
  });
});

describe('reconcile() where names are unique', () => {
  const unique = {hasUniqueNames: true};
  const old = remote('old', {digest: 'd1', createdAt: now - day});

  it("refuses the name of somebody else's image", () => {
    const unmarked = withoutMark('theirs');
    expect(steps([unmarked], unique)).toEqual(['conflict name-taken theirs']);
    expect(steps([remote('theirs', {mark: {digest: 'new', lineage: 'x/y/z'}})], unique)).toEqual([
      'conflict name-taken theirs',
    ]);
  });

  it('refuses the name of an older one that is to stay', () => {
    expect(steps([old], unique)).toEqual(['conflict name-kept old']);
  });

  it('lets an older one go first where it is to go anyway', () => {
    expect(steps([old], {...unique, keepLast: 1})).toEqual(['remove old superseded', 'create']);
  });

  it('cares for names only where something is created', () => {
    const unmarked = withoutMark('theirs');
    expect(steps([remote('a', {name: 'web-2'}), unmarked], unique)).toEqual(['keep a']);
  });
});

describe('changesBetween()', () => {
  it('tells what is to be set, changed and taken away, by name', () => {
    expect(changesBetween({b: '1', c: '2', d: '3'}, {a: '0', c: '2', d: '4'})).toEqual([
      {name: 'a', to: '0'},
      {name: 'b', from: '1'},
      {name: 'd', from: '3', to: '4'},
    ]);
  });
});
