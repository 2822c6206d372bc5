import {existsSync, mkdirSync, renameSync} from 'node:fs';
import {basename, join} from 'node:path';
import {cacheLayout} from '../../cache/layout.ts';
import {Store} from '../../cache/store.ts';
import {diffoscope} from '../compare/diffoscope.ts';
import {buildFresh, type FreshBuild} from '../compare/fresh-build.ts';
import {type FreshPlace, makeFreshPlace} from '../compare/fresh-place.ts';
import {
  type ArtifactVerdict,
  actualFiles,
  compareObjects,
  judgeArtifacts,
  judgeStages,
  listedFiles,
  type StageVerdict,
} from '../compare/verdict.ts';
import {type ExitCode, exitCode, FgError} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {lockPathOf} from '../lock/path.ts';
import {asKeyParts, diffParts, type Reason} from '../plan/explain.ts';
import type {Delivery} from '../plan/plan.ts';
import {artifactFiles, isDelivered} from '../run/deliver.ts';
import {sequence} from '../run/events.ts';
import {hostCapacity} from '../run/pools.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import type {Position} from '../spec/diagnostic.ts';
import {createStyle} from '../ui/style.ts';
import {createView, type ViewMode} from '../ui/view.ts';
import {cancelOnSignals} from './cancel.ts';
import {openSession, peekSession, refuseUserNamespace, type Session, type SessionOptions} from './session.ts';
import {readSpec, specLocator} from './spec.ts';
import {type FirstDifference, formatVerdict, type Verdict} from './verify-text.ts';

export interface VerifyOptions extends SessionOptions {
  /** `<image>` or `<image>/<target>`. */
  readonly artifact: string;
  /** Whether the fresh build stays. */
  readonly keep: boolean;
  readonly vary: boolean;
  /** A folder for diffoscope's report as HTML. */
  readonly html: string | undefined;
  readonly json: boolean;
  /** How the fresh build is shown, on standard error. */
  readonly mode: ViewMode;
}

/**
 * `fgimage verify`: builds an image again from its lock, in a place with nothing of the first build but the packages,
 * and compares stage by stage and file by file. Exit code 0 where all is the same, 1 where something differs.
 */
export async function runVerify(options: VerifyOptions): Promise<ExitCode> {
  process.umask(0o022);
  const spec = await readSpec(options.file, options);
  const path = lockPathOf(spec.file, spec.profiles);
  if (!existsSync(path)) {
    throw new FgError('LOCK_STALE', `There is no ${basename(path)} that says what to build again`, {
      hint: 'Make it with "fgimage lock", and build the image from it: "fgimage build --locked"',
    });
  }
  const [image = '', target, ...more] = options.artifact.split('/');
  if (more.length > 0) {
    throw new FgError('USAGE', `${options.artifact} names no artifact`, {
      hint: 'Name <image> or <image>/<target>, as in the spec',
    });
  }
  const session = await openSession(
    {
      ...options,
      images: [image],
      targets: target === undefined ? [] : [target],
      test: false,
      useLock: true,
      locked: true,
    },
    {look: false, warn: () => undefined},
  );
  try {
    if (!isRoot()) {
      session.store.close();
      if (!canEnterUserNamespace()) await refuseUserNamespace(cacheFolder(options.cacheDir));
      return (await enterUserNamespace()) as ExitCode;
    }
    return await new Verification(session, options).run();
  } finally {
    session.store.close();
  }
}

class Verification {
  readonly #session: Session;
  readonly #options: VerifyOptions;
  readonly #abort = cancelOnSignals();
  /** What the stages gave that the artifact was made by, by stage. */
  readonly #digests = new Map<string, string>();

  constructor(session: Session, options: VerifyOptions) {
    this.#session = session;
    this.#options = options;
  }

  async run(): Promise<ExitCode> {
    const {store, plan} = this.#session;
    store.sweep();
    const run = store.openRun();
    try {
      store.lease(run, await this.#recorded());
      const place = makeFreshPlace({
        folder: run.path,
        packages: store.layout.packages,
        lock: this.#lock(),
        vary: this.#options.vary,
      });
      const fresh = await this.#build(place);
      this.#abort.signal.throwIfAborted();
      if (fresh.exitCode !== exitCode.done) return this.#failed(fresh, place);
      this.#say('Comparing');
      const verdict = await this.#judge(fresh, place, plan.deliveries);
      const kept = this.#options.keep ? this.#keep(place) : undefined;
      this.#print(verdict, kept);
      return verdict.same ? exitCode.done : exitCode.differs;
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
      throw new FgError('CANCELLED', 'Cancelled; nothing of the second build is left', {cause: error});
    } finally {
      if (existsSync(join(run.path, 'cache'))) this.#say('Removing the second build');
      store.closeRun(run);
      this.#abort[Symbol.dispose]();
    }
  }

  /** Standard output is for the verdict. */
  #say(line: string): void {
    if (this.#options.mode !== 'quiet') process.stderr.write(`${line}\n`);
  }

  #lock(): NonNullable<Session['lock']>['lock'] {
    const {lock} = this.#session;
    if (lock === undefined) throw new Error('A locked session has no lock');
    return lock.lock;
  }

  /** Digests of what was built from this lock. Throws `FgError` where that is not known. */
  async #recorded(): Promise<readonly string[]> {
    const {plan} = this.#session;
    const peeked = await peekSession(this.#session, this.#abort.signal);
    for (const [id, found] of peeked) {
      const known = found.state === 'hit' ? found.known : found.state === 'run' ? found.purged : undefined;
      if (known !== undefined) this.#digests.set(id, known.action.digest);
    }
    for (const {image, target, pack} of plan.deliveries) {
      if (this.#digests.has(pack)) continue;
      const name = `${image.name}/${target}`;
      throw new FgError(
        'NOT_BUILT',
        `${name} was not built from this lock in this cache: there is nothing to compare with`,
        {hint: `Run "fgimage build --locked ${image.name}" first`},
      );
    }
    return [...this.#digests.values()];
  }

  async #build(place: FreshPlace): Promise<FreshBuild> {
    const {mode, color} = this.#options;
    const stream = process.stderr;
    const view = createView({mode, verbose: false, replay: false, stream, color: color && stream.isTTY});
    const show = sequence((event) => view.handle(event));
    try {
      return await buildFresh({
        words: this.#words(place),
        env: place.env,
        by: place.by,
        // Where its artifacts lie is of no use to anybody: they are compared and removed.
        onEvent: (event) => show(event.type === 'run-finished' ? {...event, outputs: []} : event),
        signal: this.#abort.signal,
      });
    } finally {
      await view.close();
    }
  }

  #words(place: FreshPlace): readonly string[] {
    const {file, hostTools, offline} = this.#options;
    const {plan} = this.#session;
    const images = [...new Set(plan.deliveries.map(({image}) => image.name))];
    const targets = [...new Set(plan.deliveries.map(({target}) => target))];
    const jobs = hostCapacity().cpu + 1;
    return [
      ...['build', ...images, '--locked', '--no-test', '--json', '--file', file],
      ...['--cache-dir', place.cache, '--output', place.artifacts, '--cache', 'local:rw,remote:off'],
      ...['--jobs', String(jobs)],
      ...targets.flatMap((target) => ['--target', target]),
      ...(hostTools ? ['--host-tools'] : []),
      ...(offline ? ['--offline'] : []),
    ];
  }

  /** The view has told of stages that failed; what came before any stage stands on its standard error. */
  #failed({exitCode: code, stderr}: FreshBuild, place: FreshPlace): ExitCode {
    process.stderr.write(stderr);
    const kept = this.#options.keep
      ? `it lies in ${this.#keep(place)}`
      : '--keep leaves it where it is, with its logs';
    process.stderr.write(
      `error: ${this.#options.artifact} could not be built again\n  mend: The second build failed: ${kept}\n`,
    );
    return Object.values(exitCode).find((known) => known === code) ?? exitCode.stageFailed;
  }

  async #judge(fresh: FreshBuild, place: FreshPlace, deliveries: readonly Delivery[]): Promise<Verdict> {
    const {store} = this.#session;
    const stages = judgeStages(fresh.stages, {
      ofKey: (key) => {
        const found = store.find(key);
        return found.state === 'known' ? found.action.digest : undefined;
      },
      ofStage: (stage) => this.#digests.get(stage),
    });
    const artifacts = deliveries.map((delivery) => ({
      name: `${delivery.image.name}/${delivery.target}`,
      files: this.#judgeArtifact(delivery, place),
    }));
    const first = stages.find(({verdict}) => verdict !== 'same');
    const same = artifacts.every(({files}) => files.length > 0 && files.every(({was, is}) => was === is));
    return {
      same,
      artifact: this.#options.artifact,
      durationMs: fresh.durationMs,
      stages,
      artifacts,
      ...(first === undefined ? {} : {first: await this.#describe(first, place)}),
    };
  }

  /** The artifact as it lies where it was handed out, else as the cache has it recorded. */
  #judgeArtifact({image, target, pack, sbom}: Delivery, place: FreshPlace): readonly ArtifactVerdict[] {
    const {store, options} = this.#session;
    const name = join(image.name, target);
    const is = listedFiles(join(place.artifacts, name)) ?? [];
    const [digest, documents] = [this.#digests.get(pack), this.#digests.get(sbom)];
    const folder = join(options.output, name);
    const delivered =
      digest !== undefined && isDelivered(options.output, {image: image.name, target, digest})
        ? listedFiles(folder)
        : undefined;
    if (delivered !== undefined) return judgeArtifacts(actualFiles(folder, delivered), is);
    const present = [digest, documents].filter((one) => one !== undefined && store.hasContent(one));
    const recorded = present.flatMap((one) => (one === undefined ? [] : artifactFiles(store, one)));
    return judgeArtifacts(recorded, present.length < 2 ? is.filter(isIn(recorded)) : is);
  }

  async #describe(first: StageVerdict, place: FreshPlace): Promise<FirstDifference> {
    const {store} = this.#session;
    const node = this.#session.plan.nodes.find(({id}) => id === first.stage);
    const position = await this.#position(first.stage);
    const where = position === undefined ? {} : {position};
    const what = node === undefined ? {} : {title: node.title};
    if (first.was === undefined) return {...first, ...what, ...where, reasons: this.#reasons(first, place)};
    const found = await compareObjects(
      {was: store.objectPath(first.was), is: join(cacheLayout(place.cache).objects, first.is)},
      {work: place.folder, signal: this.#abort.signal},
    );
    if (found === undefined) return {...first, ...what, ...where, purged: true};
    const {trees, ...difference} = found;
    const path = difference.content?.path;
    const told =
      path === undefined
        ? undefined
        : await diffoscope(
            {a: join(trees.was, path), b: join(trees.is, path)},
            {html: this.#options.html, signal: this.#abort.signal},
          );
    return {...first, ...what, ...where, difference, ...(told === undefined ? {} : {diffoscope: told})};
  }

  /** Where the spec has what the stage does, and how it begins there. */
  async #position(stage: string): Promise<Position | undefined> {
    const node = this.#session.plan.nodes.find(({id}) => id === stage);
    if (node?.image === undefined) return undefined;
    const locate = await specLocator(this.#session.spec);
    for (const {spec} of node.origins) {
      const found = locate(node.image, spec);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Why the second build's key is one that nothing is recorded of. */
  #reasons({stage, key}: StageVerdict, place: FreshPlace): readonly Reason[] {
    const {store} = this.#session;
    const fresh = Store.openToRead(place.cache);
    try {
      const is = asKeyParts(fresh.keyParts(key));
      const last = store.database
        .prepare('SELECT key FROM actions WHERE stage = ? ORDER BY last_used_at DESC LIMIT 1')
        .pluck()
        .get(stage) as string | undefined;
      const was = last === undefined ? undefined : asKeyParts(store.keyParts(last));
      if (was === undefined || is === undefined) return [{reason: 'never-built'}];
      return diffParts(was, is, {node: {id: stage, origins: []}, locate: () => undefined});
    } finally {
      fresh.close();
    }
  }

  /** Moves the second build to where it stays. */
  #keep(place: FreshPlace): string {
    const {kept} = this.#session.store.layout;
    const folder = join(kept, `verify-${basename(place.folder).slice(0, 8)}`);
    mkdirSync(kept, {recursive: true});
    mkdirSync(folder);
    for (const path of [place.cache, place.artifacts]) renameSync(path, join(folder, basename(path)));
    return folder;
  }

  #print(verdict: Verdict, kept: string | undefined): void {
    if (this.#options.json) {
      const body = {version: 1, ...verdict, ...(kept === undefined ? {} : {kept})};
      process.stdout.write(`${JSON.stringify(body, undefined, 2)}\n`);
      return;
    }
    const style = createStyle(this.#options.color);
    process.stdout.write(`${formatVerdict(verdict, {style, kept}).join('\n')}\n`);
  }
}

function isIn(files: readonly {readonly path: string}[]): (file: {readonly path: string}) => boolean {
  const paths = new Set(files.map(({path}) => path));
  return ({path}) => paths.has(path);
}
