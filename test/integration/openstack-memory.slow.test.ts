import {expect, it} from 'vitest';
import {measureUpload, memoryLimitKiB} from './openstack-memory.ts';

it('keeps fgimage small while it uploads 4 GiB', async () => {
  const sizeBytes = 4 * 2 ** 30;
  const measured = await measureUpload(sizeBytes);
  expect(measured).toMatchObject({status: 'active', sizeBytes});
  expect(measured.memoryKiB).toBeLessThan(memoryLimitKiB);
});
