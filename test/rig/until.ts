import {readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';

/** Waits until something holds. What never comes ends in an error, so that no test hangs. */
export async function until(holds: () => boolean, {what = 'what the test waits for'} = {}): Promise<void> {
  const end = Date.now() + hangMs;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`In ${hangMs / 1000} s it did not come: ${what}`);
    await sleep(pollMs);
  }
}

const hangMs = 45_000;
const pollMs = 20;

/** Whether a process runs; a zombie that nobody has waited for yet does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
