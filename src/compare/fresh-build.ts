import {type ChildProcess, spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import type {RunEvent, StagePlanned} from '../run/events.ts';

/** A stage as the fresh build ran it, in the order of the graph. */
export interface FreshStage {
  readonly stage: string;
  readonly dependsOn: readonly string[];
  readonly key: string;
  readonly digest: string;
}

export interface FreshBuild {
  readonly exitCode: number | null;
  readonly stages: readonly FreshStage[];
  readonly durationMs: number;
  /** What it wrote to standard error. */
  readonly stderr: string;
}

export interface FreshBuildOptions {
  /** The words behind `fgimage`, with `--json`. */
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What it is started by, e.g. `unshare --uts --`. */
  readonly by: readonly string[];
  readonly onEvent: (event: RunEvent) => void;
  readonly signal: AbortSignal;
}

/**
 * Builds by a process of its own, this same program, with a umask of its own, and gathers what its stages gave. An
 * abort has it end in good order, and is waited for.
 */
export async function buildFresh(options: FreshBuildOptions): Promise<FreshBuild> {
  const startedAt = Date.now();
  const gathered = new Gathered();
  const child = start(options);
  const cancel = (): void => {
    // A terminal's Ctrl-C reaches the build as well, and a second signal would end it at once.
    if (options.signal.reason !== 'SIGINT' || !process.stdin.isTTY) child.kill('SIGTERM');
  };
  options.signal.addEventListener('abort', cancel, {once: true});
  if (options.signal.aborted) cancel();
  try {
    const stderr: Buffer[] = [];
    child.stderr?.on('data', (data: Buffer) => stderr.push(data));
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code));
    });
    const reading = (async () => {
      for await (const line of createInterface({input: child.stdout ?? process.stdin})) {
        const event = parseEvent(line);
        if (event === undefined) continue;
        gathered.note(event);
        options.onEvent(event);
      }
    })();
    const [exitCode] = await Promise.all([ended, reading]);
    return {
      exitCode,
      stages: gathered.stages,
      durationMs: Date.now() - startedAt,
      stderr: Buffer.concat(stderr).toString('utf8'),
    };
  } finally {
    options.signal.removeEventListener('abort', cancel);
  }
}

function start({words, env, by}: FreshBuildOptions): ChildProcess {
  const [file = process.execPath, ...rest] = [
    ...by,
    process.execPath,
    ...process.execArgv,
    process.argv[1] ?? '',
    ...words,
  ];
  const before = process.umask(0o077);
  try {
    return spawn(file, rest, {env: {...env}, stdio: ['ignore', 'pipe', 'pipe']});
  } finally {
    process.umask(before);
  }
}

/** Lines that are no events are what a defect printed; standard error tells of it too. */
function parseEvent(line: string): RunEvent | undefined {
  try {
    return JSON.parse(line) as RunEvent;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

class Gathered {
  readonly #planned: StagePlanned[] = [];
  readonly #keys = new Map<string, string>();
  readonly #digests = new Map<string, string>();

  note(event: RunEvent): void {
    if (event.type === 'stage-planned') this.#planned.push(event);
    if (event.type === 'stage-started' || event.type === 'stage-cached')
      this.#keys.set(event.stage, event.key);
    if (event.type === 'stage-finished' || event.type === 'stage-cached')
      this.#digests.set(event.stage, event.digest);
  }

  get stages(): readonly FreshStage[] {
    return this.#planned.flatMap(({stage, dependsOn}) => {
      const [key, digest] = [this.#keys.get(stage), this.#digests.get(stage)];
      return key === undefined || digest === undefined ? [] : [{stage, dependsOn, key, digest}];
    });
  }
}
