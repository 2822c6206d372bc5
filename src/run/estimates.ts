import type {Database} from 'better-sqlite3';
import type {StageKind} from '../plan/graph.ts';

/** How long each of these stages took when it last ran, in ms, by stage id; those that never ran are left out. */
export function typicalDurations(database: Database, stages: readonly string[]): ReadonlyMap<string, number> {
  const rows = database
    .prepare(
      `SELECT stage, duration_ms AS durationMs, MAX(started_at) FROM run_stages
       WHERE state = 'run' AND stage IN (SELECT value FROM json_each(?)) GROUP BY stage`,
    )
    .all(JSON.stringify(stages)) as readonly {readonly stage: string; readonly durationMs: number}[];
  return new Map(rows.map(({stage, durationMs}) => [stage, durationMs]));
}

/** How long a stage will take, in ms: as long as the last time, else as long as its kind typically does. */
export function estimateMs(stage: string, kind: StageKind, durations: ReadonlyMap<string, number>): number {
  return durations.get(stage) ?? typicalSeconds[kind] * 1000;
}

/** Of a small image on two processors without KVM. */
const typicalSeconds: Readonly<Record<StageKind, number>> = {
  archive: 4,
  base: 18,
  repositories: 1,
  packages: 10,
  settings: 1,
  users: 1,
  files: 1,
  provision: 5,
  services: 1,
  adapt: 10,
  initramfs: 5,
  pack: 9,
  sbom: 2,
  test: 240,
  vet: 4,
};
