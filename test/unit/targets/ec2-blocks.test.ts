import {createHash} from 'node:crypto';
import {appendFileSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {BlockNotes} from '../../../targets/ec2/block-notes.ts';
import {blockBytes, OrderedChecksum, sendBlocks} from '../../../targets/ec2/blocks.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest();
const signal = new AbortController().signal;
const quiet = {report: () => undefined, signal};

/** A disk of blocks filled with a byte each; 0 is a hole. The last may be shorter. */
function diskOf(bytes: readonly number[], lastBytes = blockBytes): Buffer {
  return Buffer.concat(
    bytes.map((byte, index) => Buffer.alloc(index === bytes.length - 1 ? lastBytes : blockBytes, byte)),
  );
}

describe('sendBlocks()', () => {
  it('puts blocks with data only, the last padded, and sums them up in their order whatever comes first', async () => {
    using folder = new TemporaryFolder();
    const disk = diskOf([1, 0, 0, 2, 3, 0, 4], 1000);
    writeFileSync(folder.join('disk'), disk);
    const put = new Map<number, Buffer>();
    const waiting: (() => void)[] = [];
    const sent = await sendBlocks(folder.join('disk'), {
      ...quiet,
      sizeBytes: disk.length,
      parallel: 4,
      isThere: () => false,
      put: async ({index, data, checksum}) => {
        expect(sha256(data).toString('base64')).toBe(checksum);
        put.set(index, Buffer.from(data));
        // The last that comes lets the others go, itself first.
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
          if (waiting.length === 4) for (const go of waiting.toReversed()) go();
        });
      },
    });
    expect([...put.keys()].toSorted((a, b) => a - b)).toEqual([0, 3, 4, 6]);
    expect(put.get(6)).toHaveLength(blockBytes);
    expect(put.get(6)?.equals(Buffer.concat([Buffer.alloc(1000, 4), Buffer.alloc(blockBytes - 1000)]))).toBe(
      true,
    );
    const digests = [0, 3, 4, 6].map((index) => sha256(put.get(index) ?? Buffer.alloc(0)));
    expect(sent).toEqual({count: 4, checksum: sha256(Buffer.concat(digests)).toString('base64')});
  });

  it('counts and sums up what is there already, and does not put it', async () => {
    using folder = new TemporaryFolder();
    const disk = diskOf([1, 2, 0, 3]);
    writeFileSync(folder.join('disk'), disk);
    const send = async (there: readonly number[]) => {
      const put: number[] = [];
      const sent = await sendBlocks(folder.join('disk'), {
        ...quiet,
        sizeBytes: disk.length,
        parallel: 2,
        isThere: (index) => there.includes(index),
        put: ({index}) => {
          put.push(index);
          return Promise.resolve();
        },
      });
      return {put, sent};
    };
    const whole = await send([]);
    const rest = await send([0, 3]);
    expect(rest).toEqual({put: [1], sent: whole.sent});
  });

  it('ends with the first error, and leaves no worker behind', async () => {
    using folder = new TemporaryFolder();
    const disk = diskOf(Array.from({length: 64}, () => 7));
    writeFileSync(folder.join('disk'), disk);
    let puts = 0;
    const sending = sendBlocks(folder.join('disk'), {
      ...quiet,
      sizeBytes: disk.length,
      parallel: 4,
      isThere: () => false,
      put: async () => {
        puts += 1;
        if (puts === 5) throw new Error('no more');
        await Promise.resolve();
      },
    });
    await expect(sending).rejects.toThrow('no more');
    const before = puts;
    await new Promise((resolve) => setImmediate(resolve));
    expect(puts).toBe(before);
    expect(puts).toBeLessThan(64);
  });

  it('refuses a disk that is shorter than it should be', async () => {
    using folder = new TemporaryFolder({disk: 'short'});
    const options = {
      ...quiet,
      sizeBytes: 100,
      parallel: 1,
      isThere: () => false,
      put: () => Promise.resolve(),
    };
    await expect(sendBlocks(folder.join('disk'), options)).rejects.toThrow('shorter than 100 bytes');
  });
});

describe('OrderedChecksum', () => {
  it('is the SHA-256 of nothing where there is nothing', () => {
    const total = new OrderedChecksum();
    total.add(0);
    expect(total.result()).toEqual({count: 0, checksum: sha256(Buffer.alloc(0)).toString('base64')});
  });
});

describe('BlockNotes', () => {
  const digest = 'ab'.repeat(32);

  it('knows after a crash what was put, but for an entry that was cut off', () => {
    using folder = new TemporaryFolder();
    const notes = BlockNotes.open(folder.path, 'snap-1', digest);
    notes.add(0);
    notes.add(70_000);
    notes.close();
    const [name = ''] = readdirSync(folder.join('ec2-uploads'));
    appendFileSync(folder.join('ec2-uploads', name), Buffer.from([9, 9]));
    const again = BlockNotes.open(folder.path, 'snap-1', digest);
    expect([0, 1, 70_000].map((index) => again.has(index))).toEqual([true, false, true]);
    expect(again.isSealed).toBe(false);
    again.add(2);
    again.seal();
    again.close();
    expect(readFileSync(folder.join('ec2-uploads', name))).toHaveLength(32 + 4 * 4);
    const sealed = BlockNotes.open(folder.path, 'snap-1', digest);
    expect([sealed.isSealed, sealed.has(2)]).toEqual([true, true]);
    sealed.close();
  });

  it('does not take zeros of a power cut for the first block', () => {
    using folder = new TemporaryFolder();
    BlockNotes.open(folder.path, 'snap-1', digest).close();
    appendFileSync(folder.join('ec2-uploads', 'snap-1'), Buffer.alloc(8));
    const notes = BlockNotes.open(folder.path, 'snap-1', digest);
    expect(notes.has(0)).toBe(false);
    notes.close();
  });

  it('believes nothing of another artifact, and forgets when it is told', () => {
    using folder = new TemporaryFolder();
    const notes = BlockNotes.open(folder.path, 'snap-1', digest);
    notes.add(5);
    notes.close();
    const other = BlockNotes.open(folder.path, 'snap-1', 'cd'.repeat(32));
    expect(other.has(5)).toBe(false);
    other.close();
    BlockNotes.forget(folder.path, 'snap-1');
    expect(readdirSync(folder.join('ec2-uploads'))).toEqual([]);
  });
});
