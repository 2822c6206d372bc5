import {existsSync, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {expect} from 'vitest';
import {sha256} from '../../cache/tree.ts';
import type {RunEvent} from '../../src/run/events.ts';
import {until} from '../rig/until.ts';
import {parts, type Random, startOnFailingDisk, type Version} from './chaos.ts';
import {BuildResult, type Project, type Running} from './real-build.ts';

/** When a build is killed: so long after it has started so many stages, or at the write in its cache after so many. */
export type Moment = {readonly stages: number; readonly ms: number} | {readonly writes: number};

/**
 * Most of them land while the cheap stages run, are published and recorded, some of these between two writes; others in
 * the start or far in.
 */
export function momentOf(random: Random, {atWrites}: {atWrites: boolean}): Moment {
  const kind = random.next();
  if (kind < 0.2) return {stages: 0, ms: random.between(20, 600)};
  if (kind < 0.5 && atWrites) return {writes: Math.floor(random.between(0, 90))};
  if (kind < 0.92) return {stages: 1 + Math.floor(random.next() * 4), ms: random.between(0, 140)};
  return {stages: 0, ms: random.between(900, latestMs)};
}

/** A build in which the moment does not come is killed then. */
const latestMs = 3000;

/** One part of what was made last is another. */
export function changed(version: Version, random: Random): Version {
  return {...version, [random.pick(parts)]: 1 + Math.floor(random.next() * 1000)};
}

/** Starts a build, kills it at a moment and waits for its end; where it stood then, or undefined when it was done before. */
export async function killBuild(
  project: Project,
  moment: Moment,
  {as, library}: {as?: number | undefined; library: string},
): Promise<string | undefined> {
  const words = ['--json'];
  const running =
    'writes' in moment
      ? startOnFailingDisk(project, {library, after: moment.writes, by: 'SIGKILL', words})
      : project.start(['build', '--no-test', ...words], {as});
  const timer = new AbortController();
  const {signal} = timer;
  const come = 'writes' in moment ? running.end : momentIn(running, {...moment, signal});
  await Promise.race([running.end, come, sleep(latestMs, undefined, {signal}).catch(() => undefined)]);
  running.process.kill('SIGKILL');
  const code = await running.end;
  timer.abort();
  if (code !== null) {
    expect({code, stderr: running.stderr}).toEqual({code: 0, stderr: ''});
    return undefined;
  }
  const whole = running.stdout.slice(0, running.stdout.lastIndexOf('\n') + 1);
  return standOf(new BuildResult(null, whole, '').events, project.cache);
}

/** Ends so long after so many stages have started. */
async function momentIn(
  running: Running,
  {stages, ms, signal}: {stages: number; ms: number; signal: AbortSignal},
): Promise<void> {
  let started = 0;
  if (stages > 0) {
    await running.line((line) => {
      if (line.includes('"type":"stage-started"')) started += 1;
      return started === stages;
    });
  }
  await sleep(ms, undefined, {signal}).catch(() => undefined);
}

/** Where a run stood: the stages that ran, `publishing` where one had its manifest written already. */
function standOf(events: readonly RunEvent[], cache: string): string {
  const running = new Set<string>();
  for (const event of events) {
    if (event.type === 'stage-started') running.add(event.stage.replace(/(?<=customize):[^/]*|:.*/, ''));
    if (event.type === 'stage-finished') running.delete(event.stage.replace(/(?<=customize):[^/]*|:.*/, ''));
  }
  if (events.length === 0) return 'before the plan';
  if (running.size > 0)
    return `${isPublishing(cache) ? 'publishing in ' : ''}${[...running].sort().join('+')}`;
  return events.some(({type}) => type === 'stage-finished') ? 'between or after stages' : 'before a stage';
}

/** Whether a folder of a run holds an object with its manifest that is not in its place yet. */
function isPublishing(cache: string): boolean {
  const tmp = join(cache, 'tmp');
  const works = namesIn(tmp).flatMap((run) => namesIn(join(tmp, run)).map((work) => join(tmp, run, work)));
  return works.some((work) => {
    const manifest = read(join(work, 'object/manifest'));
    return manifest !== '' && !existsSync(join(cache, 'objects', sha256(manifest)));
  });
}

function namesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** How often each came, the most frequent first: `12 before the plan, 3 pack`. */
export function countText(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([value, count]) => `${count} ${value}`)
    .join(', ');
}

/** Waits until nothing of a cache is mounted, held by a loop device or run; what stays is in the error. */
export async function untilNothingIsLeft(cache: string): Promise<void> {
  let left = leftOf(cache);
  const isGone = (): boolean => {
    left = leftOf(cache);
    return left.length === 0;
  };
  await until(isGone, {what: `the end of what uses ${cache}`}).catch((error: unknown) => {
    throw new Error(`There still is ${left.join('\n')}`, {cause: error});
  });
}

/** Mounts of this host, loop devices, and processes: by their words, or by mounts of the cache in their namespace. */
function leftOf(cache: string): readonly string[] {
  const mounts = read('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes(cache));
  const loops = readdirSync('/sys/block').filter((name) =>
    read(`/sys/block/${name}/loop/backing_file`).includes(cache),
  );
  const own = namespaceOf('self');
  const processes = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    if (read(`/proc/${pid}/cmdline`).includes(cache)) return true;
    return namespaceOf(pid) !== own && read(`/proc/${pid}/mountinfo`).includes(cache);
  });
  return [...mounts, ...loops, ...processes.map((pid) => `${pid} ${read(`/proc/${pid}/cmdline`)}`)];
}

/** The mount namespace of a process. */
function namespaceOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return ''; // It has ended meanwhile.
  }
}

/** What has ended meanwhile, and what is no loop device, tells nothing. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
