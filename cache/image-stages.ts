import type {Database} from 'better-sqlite3';

/** An image as it was built last: the stages that it took, those that it shares with others too. */
export interface LastUse {
  readonly image: string;
  readonly file: string;
  readonly stages: readonly {readonly stage: string; readonly digest: string}[];
}

interface RunStage {
  readonly stage: string;
  readonly key: string;
  readonly digest: string;
}

/** For each image of each spec file its last run, by file and image. */
export function lastUsesByImage(database: Database): readonly LastUse[] {
  const runs = database
    .prepare(
      `SELECT file, stages_of AS stagesOf, MAX(started_at) AS at FROM runs
       GROUP BY file, stages_of ORDER BY at DESC, stagesOf`,
    )
    .all() as {file: string; stagesOf: string}[];
  const stagesOf = database.prepare(
    `SELECT s.stage AS stage, s.key AS key, a.digest AS digest FROM run_stages s JOIN actions a ON a.key = s.key
     WHERE s.run = ? ORDER BY a.started_at, s.stage`,
  );
  const found = new Map<string, LastUse>();
  for (const {file, stagesOf: run} of runs) {
    const stages = stagesOf.all(run) as RunStage[];
    const images = new Set(stages.flatMap(({stage}) => imageOf(stage) ?? []));
    for (const image of images) {
      const name = JSON.stringify([file, image]);
      if (!found.has(name)) found.set(name, {image, file, stages: needed(image, stages, database)});
    }
  }
  return [...found.values()].sort((a, b) => compare(a.file, b.file) || compare(a.image, b.image));
}

/** `customize:web/packages` is of web, `pack:web/hpc` too; `base:debian-bookworm-amd64` of none. */
export function imageOf(stage: string): string | undefined {
  return /^[^:]+:([^/]+)\//.exec(stage)?.[1];
}

/** The image's own stages, and those of no image that they need, by what their keys were made of. */
function needed(image: string, stages: readonly RunStage[], database: Database): LastUse['stages'] {
  const parts = database.prepare('SELECT parts FROM keys WHERE key = ?').pluck();
  const wanted = new Set(stages.filter(({stage}) => imageOf(stage) === image));
  for (const one of wanted) {
    const text = parts.get(one.key);
    const below = typeof text === 'string' ? inputDigests(text) : [];
    for (const other of stages)
      if (imageOf(other.stage) === undefined && below.includes(other.digest)) wanted.add(other);
  }
  return stages.filter((stage) => wanted.has(stage)).map(({stage, digest}) => ({stage, digest}));
}

/** The digests in `inputs`, a list of [stage, digest], of a key's parts; none where the text is another. */
function inputDigests(text: string): readonly string[] {
  const parts: unknown = JSON.parse(text);
  if (typeof parts !== 'object' || parts === null || !('inputs' in parts) || !Array.isArray(parts.inputs))
    return [];
  return parts.inputs.flatMap((input: unknown) =>
    Array.isArray(input) && typeof input[1] === 'string' ? [input[1]] : [],
  );
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
