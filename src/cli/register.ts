import {join} from 'node:path';
import type {Database} from 'better-sqlite3';
import {forgetRegistered, keepRegistered} from '../../cache/registration-roots.ts';
import type {Artifact} from '../../targets/registrar.ts';
import {openCatalog} from '../catalog/database.ts';
import {Registrations} from '../catalog/registrations.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import type {Delivery} from '../plan/plan.ts';
import {performRegistration, type Registered, registrationError} from '../register/perform.ts';
import {
  lockName,
  planRegistration,
  type RegistrationPlaces,
  type RegistrationTask,
} from '../register/registration.ts';
import {artifactFiles} from '../run/deliver.ts';
import type {RunEvent} from '../run/events.ts';
import {lockKey} from '../run/key-lock.ts';
import {waitingMessage} from '../ui/model.ts';
import {judgeDelivery, rulesOf} from '../vet/judge-delivery.ts';
import type {SitePolicy} from '../vet/policy.ts';
import {readSitePolicy} from '../vet/site-policy.ts';
import {type BuildOptions, runStages} from './build.ts';
import {type Registrable, registrables} from './register-tasks.ts';
import {madeState, type RunDone, type RunPurpose} from './run-stages.ts';

/** `fgimage register` and `fgimage build --register`: brings artifacts up to date and has infrastructures know them. */
export async function runRegister(
  options: BuildOptions,
  {handOut}: {readonly handOut: boolean},
): Promise<ExitCode> {
  const site = await readSitePolicy(process.env, {color: options.color});
  const catalog = openCatalog();
  try {
    const registrations = new Registrations(catalog);
    const missing = new Set<string>();
    for (let turn = 1; ; turn += 1) {
      const settings = {catalog, registrations, site, handOut: handOut && turn === 1, missing};
      const run = new RegisterRun(options, settings);
      const code = await runStages({...options, vet: true}, run.purpose);
      if (run.lacking.length === 0 || turn === mostTurns) return code;
      for (const digest of run.lacking) missing.add(digest);
    }
  } finally {
    catalog.close();
  }
}

/** The catalog may say that an image is there which is not: then its artifact is brought in a second turn. */
const mostTurns = 2;
/** Registrations at once. */
const width = 4;

interface RegisterSettings {
  readonly catalog: Database;
  readonly site: SitePolicy | undefined;
  readonly registrations: Registrations;
  readonly handOut: boolean;
  /** Digests of artifacts that must be brought, whatever the catalog says. */
  readonly missing: ReadonlySet<string>;
}

class RegisterRun {
  /** Digests of artifacts that had to be uploaded and were not here. */
  readonly lacking: string[] = [];
  readonly #options: BuildOptions;
  readonly #settings: RegisterSettings;
  #tasks: readonly Registrable[] = [];

  constructor(options: BuildOptions, settings: RegisterSettings) {
    this.#options = options;
    this.#settings = settings;
  }

  get purpose(): RunPurpose {
    const {registrations, handOut, missing} = this.#settings;
    const known = new Set(
      registrations
        .list({living: true})
        .filter(({state}) => state === 'registered')
        .map(({digest}) => digest),
    );
    return {
      handOut,
      prepare: async (session) => {
        this.#tasks = await registrables(session, handOut ? [] : this.#options.targets);
      },
      stages: (delivery) => this.#stagesOf(delivery),
      reads: ({kind}, digest) =>
        kind === 'vet' || (kind === 'pack' && (missing.has(digest) || !known.has(digest))),
      after: (done) => this.#register(done),
    };
  }

  /** A build makes everything else as well. */
  #stagesOf(delivery: Delivery): readonly string[] {
    const {pack, sbom, test, vet} = delivery;
    const {handOut} = this.#settings;
    const registers = this.#tasks.some((task) => task.delivery === delivery);
    if (!registers && !handOut) return [];
    const rules = rulesOf(delivery, this.#settings.site);
    return [
      pack,
      handOut ? sbom : undefined,
      handOut || rules.tests === 'required' ? test : undefined,
      registers && rules.level !== 'off' ? vet : undefined,
    ].filter((id) => id !== undefined);
  }

  async #register(done: RunDone): Promise<ExitCode> {
    const open = [...this.#tasks];
    const {missing} = this.#settings;
    const codes: ExitCode[] = [];
    const work = async (): Promise<void> => {
      for (let one = open.shift(); one !== undefined; one = open.shift()) {
        const digest = madeState(done.states, one.delivery.pack)?.output.digest;
        // What failed was told with its stage; in a second turn only what was lacking is left to do.
        if (digest === undefined || (missing.size > 0 && !missing.has(digest))) continue;
        codes.push(await this.#one({...one, digest}, done));
      }
    };
    await Promise.all(Array.from({length: width}, work));
    return codes.find((code) => code !== exitCode.done) ?? exitCode.done;
  }

  async #one(task: RegistrationTask & Registrable, done: RunDone): Promise<ExitCode> {
    const {emit, signal} = done;
    const registration = `register:${task.image.name}/${task.target}`;
    const startedAt = Date.now();
    const base = (): {time: number; registration: string} => ({time: Date.now(), registration});
    const report = (message: string, fraction?: number): void =>
      emit({
        type: 'registration-progress',
        ...base(),
        message,
        ...(fraction === undefined ? {} : {fraction}),
      });
    emit({
      type: 'registration-started',
      ...base(),
      image: task.image.name,
      target: task.target,
      digest: task.digest,
    });
    try {
      this.#judge(task, done);
      const registered = await this.#perform(task, done, report);
      emit(finishedEvent(registered, {...base(), durationMs: Date.now() - startedAt}));
      this.#keep(task.digest, done, registered);
      return exitCode.done;
    } catch (error) {
      if (signal.aborted) return exitCode.cancelled;
      if (error instanceof ContentLacking) {
        this.lacking.push(task.digest);
        report('Its files are not here: they are brought first');
        return exitCode.done;
      }
      const told = registrationError(error);
      if (!(told instanceof FgError)) throw told;
      const {code, message, hint} = told;
      emit({
        type: 'registration-failed',
        ...base(),
        code,
        message,
        durationMs: Date.now() - startedAt,
        ...(hint === undefined ? {} : {hint}),
      });
      return told.exitCode;
    }
  }

  /** Whether the policy lets it be registered. Throws `FgError` POLICY_REFUSED. */
  #judge({delivery, image, target}: Registrable, {states}: RunDone): void {
    const {site, catalog} = this.#settings;
    const {refused} = judgeDelivery(delivery, {states, site, catalog});
    if (refused.length === 0) return;
    throw new FgError('POLICY_REFUSED', `The policy does not let it be registered: ${refused.join('; ')}`, {
      hint: `See "fgimage vet ${image.name} ${target}" and docs/reference/policy.md`,
    });
  }

  async #perform(
    task: RegistrationTask & Registrable,
    {session, states, emit, signal}: RunDone,
    report: (message: string, fraction?: number) => void,
  ): Promise<Registered> {
    const stage = `register:${task.image.name}/${task.target}`;
    const warn = (message: string, hint?: string): void =>
      emit({type: 'warning', time: Date.now(), stage, message, ...(hint === undefined ? {} : {hint})});
    const places: RegistrationPlaces = {registrations: this.#settings.registrations, env: process.env, warn};
    let plan = await planRegistration(task, places, signal);
    const only = plan.steps.length === 1 && plan.steps[0]?.do === 'keep' && plan.gone.length === 0;
    const {store} = session;
    const artifact = async (): Promise<Artifact> => {
      const made = madeState(states, task.delivery.pack);
      if (made === undefined || (await store.check(made.output.digest)) !== undefined)
        throw new ContentLacking();
      return artifactOf(made.output, artifactFiles(store, made.output.digest));
    };
    const performing = {places, signal, artifact, report};
    if (only) return await performRegistration(plan, performing);
    const path = join(store.layout.locks, `${lockName(task, plan.registrar)}.lock`);
    const wait = {happened: false};
    await using lock = await lockKey(path, signal, (owner) => {
      wait.happened = true;
      report(waitingMessage(owner));
    });
    signal.throwIfAborted();
    // Who had the lock may have done what was to be done.
    if (wait.happened && lock !== undefined) plan = await planRegistration(task, places, signal);
    for (const {name, remoteId} of plan.gone)
      warn(`${name} (${remoteId ?? ''}) is not at ${plan.registrar.endpoint} any more, or has lost its mark`);
    return await performRegistration(plan, performing);
  }

  /** gc keeps the content of what is registered. */
  #keep(digest: string, {session: {store}}: RunDone, {endpoint, id, removed}: Registered): void {
    keepRegistered(store, digest, {endpoint, id});
    for (const one of removed) forgetRegistered(store, {endpoint, id: one.id});
  }
}

/** The files of an artifact are not in the cache, or not what they were. */
class ContentLacking extends Error {}

function artifactOf(
  {path, result}: {readonly path: string; readonly result: Readonly<Record<string, unknown>>},
  files: readonly {readonly path: string; readonly size_bytes: number; readonly sha256: string}[],
): Artifact {
  const {artifact, format, virtual_size_bytes: virtualSize} = result;
  return {
    folder: path,
    file: typeof artifact === 'string' ? artifact : '',
    format: typeof format === 'string' ? format : '',
    files: files.map(({path: name, size_bytes: sizeBytes, sha256}) => ({path: name, sizeBytes, sha256})),
    ...(typeof virtualSize === 'number' ? {virtualSizeBytes: virtualSize} : {}),
  };
}

function finishedEvent(
  {did, endpoint, id, name, changes, removed, deprecated}: Registered,
  at: {readonly time: number; readonly registration: string; readonly durationMs: number},
): RunEvent {
  return {
    type: 'registration-finished',
    ...at,
    did,
    endpoint,
    id,
    name,
    changed: changes.map((change) => change.name),
    removed: removed.map((one) => one.id),
    deprecated,
  };
}
