import {spawnSync} from 'node:child_process';
import {chmodSync, mkdirSync, mkdtempSync, readFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {TestProject} from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder of this run's real builds; `packages/` below it is shared by all of them. */
    readonly testRoot: string;
  }
}

/** One folder for all real builds of a test run, on a local file system, and nothing of it left afterwards. */
export default function setup(project: TestProject): () => Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'fgimage-test-'));
  chmodSync(root, 0o755);
  mkdirSync(join(root, 'packages'));
  project.provide('testRoot', root);
  return async () => {
    // Some minutes' worth of trees: vitest has to go on ending its workers meanwhile.
    await rm(root, {recursive: true, force: true, maxRetries: 5});
    const left = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(root));
    if (left.length > 0) throw new Error(`Mounts are left behind:\n${left.join('\n')}`);
    const {stdout} = spawnSync('pgrep', ['-af', root], {encoding: 'utf8'});
    if (stdout.trim() !== '') throw new Error(`Processes are left behind:\n${stdout}`);
  };
}
