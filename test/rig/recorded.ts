import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import type {RunFolder} from '../../cache/runs.ts';
import type {Store} from '../../cache/store.ts';
import {type KeyParts, stageKey} from '../../src/plan/key.ts';
import {publishFiles} from './stored.ts';

export interface Recorded {
  readonly key: string;
  readonly digest: string;
  readonly stage: string;
}

export interface RecordOptions {
  readonly stage?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly inputs?: readonly Recorded[];
  /** When it was used last; also when it was made. */
  readonly usedAt?: number;
  readonly log?: string;
  /** Has the content leased from before it is recorded. */
  readonly run?: RunFolder;
}

/** Publishes content and records it under a true key, as a build does; `name` tells keys apart. */
export async function recordContent(
  store: Store,
  name: string,
  {
    stage = `customize:web/${name}`,
    files = {[name]: `${name}\n`.repeat(20_000)},
    inputs = [],
    usedAt = 0,
    log,
    run,
  }: RecordOptions = {},
): Promise<Recorded> {
  const parts: KeyParts = {
    kind: 'files',
    version: 1,
    params: {name},
    inputs: inputs.map((input) => [input.stage, input.digest] as const),
    files: {},
    tools: {},
    environment: {},
  };
  const key = stageKey(parts);
  const digest = await publishFiles(store, files, run);
  const sizeBytes = Object.values(files).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const named = log === undefined ? {} : {log};
  const result = {size_bytes: sizeBytes};
  store.record({key, stage, digest, sizeBytes, durationMs: 0, startedAt: usedAt, parts, result, ...named});
  store.database.prepare('UPDATE actions SET last_used_at = ? WHERE key = ?').run(usedAt, key);
  return {key, digest, stage};
}

export interface PastRunOptions {
  readonly id: string;
  readonly file?: string;
  readonly at: number;
  readonly outcome?: string;
  readonly stages: readonly Recorded[];
  /** The run whose stages this one repeats. */
  readonly stagesOf?: string;
}

/** Enters a run into the history. */
export function recordRun(
  store: Store,
  {id, file = 'fgimage.yaml', at, outcome = 'done', stages, stagesOf}: PastRunOptions,
): void {
  store.database
    .prepare(
      `INSERT INTO runs (id, file, command, pid, started_at, duration_ms, outcome, saved_ms, stages_of, plan_digest)
       VALUES (?, ?, 'build', 1, ?, 0, ?, 0, ?, '')`,
    )
    .run(id, file, at, outcome, stagesOf ?? id);
  const insert = store.database.prepare(
    `INSERT INTO run_stages (run, stage, key, state, duration_ms, started_at, log) VALUES (?, ?, ?, 'cached', 0, NULL, NULL)`,
  );
  for (const {stage, key} of stages) insert.run(id, stage, key);
}

/** Everything below a folder, sorted. */
export function pathsBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, {withFileTypes: true})
    .flatMap((entry) => [
      join(folder, entry.name),
      ...(entry.isDirectory() ? pathsBelow(join(folder, entry.name)) : []),
    ])
    .sort();
}
