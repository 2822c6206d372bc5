import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {Bind} from '../../sandbox/sandbox.ts';
import type {JsonObject, Provisioner} from '../../spec/image.ts';
import {hostProxies} from '../host-command.ts';
import type {StageContext, StageRunner} from '../stage.ts';
import {runInTree, toolsTreePath} from '../tree.ts';
import {stepRunner} from './registry.ts';
import {hiddenTexts, loadSecrets, type StepSecrets, takeLeaks} from './secrets.ts';
import {type ServiceShims, serviceShims, settleServices} from './services.ts';
import type {StepCommand} from './step.ts';
import {momentFiles, stepApt} from './step-apt.ts';
import {cacheBinds, type StepCache, stepCaches} from './step-caches.ts';
import {offlineRefusal, stepFailure} from './step-failure.ts';
import {StepLayer} from './step-layer.ts';
import {StepPackages} from './step-packages.ts';

/** One entry of `provision`: a layer of its own. */
export const runStep: StageRunner = async (context) => {
  const step = context.node.params['provisioner'] as unknown as Pick<
    Provisioner,
    'kind' | 'options' | 'network'
  >;
  if (step.network && context.offline) return fail({failure: offlineRefusal});
  const {secrets = [], caches = []} = context.node.step ?? {};
  const loaded = loadSecrets(secrets, context.projectDir);
  if (!loaded.ok) return fail({failure: loaded.error});
  const done = await new Step(context, {
    network: step.network,
    secrets: loaded.value,
    caches: stepCaches(context, caches),
  }).run(step);
  return done.ok ? ok({result: done.value}) : fail({failure: done.error});
};

interface StepParts {
  readonly network: boolean;
  readonly secrets: StepSecrets;
  readonly caches: readonly StepCache[];
}

/** What a step has around its own commands: see docs/guide/provisioning.md. */
class Step {
  readonly #context: StageContext;
  readonly #parts: StepParts;
  readonly #layer: StepLayer;
  readonly #shims: ServiceShims;
  readonly #binds: readonly Bind[];
  readonly #startedAt = Date.now();

  constructor(context: StageContext, parts: StepParts) {
    const {secrets, network, caches} = parts;
    for (const {value} of secrets.values) context.log.hide(hiddenTexts(value));
    const {log} = context;
    this.#context = {
      ...context,
      progress: (message, fraction) => context.progress(log.clean(message), fraction),
      warn: (message, hint) => context.warn(log.clean(message), hint === undefined ? hint : log.clean(hint)),
    };
    this.#parts = parts;
    this.#layer = new StepLayer(context);
    this.#shims = serviceShims(context, this.#layer);
    const run = context.node.step ?? {secrets: [], caches: []};
    this.#binds = [
      ...this.#shims.binds,
      ...stepApt({context, layer: this.#layer, run, network}),
      ...cacheBinds(caches, this.#layer),
    ];
  }

  async run({
    kind,
    options,
  }: Pick<Provisioner, 'kind' | 'options'>): Promise<Result<JsonObject, StageFailure>> {
    const run = await stepRunner(kind);
    const packages = new StepPackages(this.#context, this.#layer);
    const installed = await packages.install();
    if (!installed.ok) return installed;
    if (installed.value.known) return ok({});
    const wanted = new Set<string>();
    const done = await run({
      stage: this.#context,
      options,
      keep: (names) => {
        for (const name of names) wanted.add(name);
      },
      run: (command) => this.#command(command),
    });
    const leaks = await this.#searched();
    if (!done.ok) return done;
    if (!leaks.ok) return leaks;
    const services = await settleServices(this.#context, this.#shims, this.#layer);
    if (!services.ok) return services;
    const purged = await packages.purge(wanted);
    this.#layer.clean();
    this.#layer.drop(momentFiles);
    return purged.ok ? services : purged;
  }

  async #command(command: StepCommand): Promise<Result<void, StageFailure>> {
    const {network, secrets} = this.#parts;
    const {timeoutSeconds} = this.#context.node.step ?? {};
    const ran = await runInTree(this.#context, {
      initName: 'systemd',
      ...command,
      env: {...(network ? hostProxies() : {}), ...command.env},
      writable: true,
      network,
      secrets,
      above: [this.#layer.folder, ...(command.above ?? [])],
      binds: [...treeBinds(command, this.#binds), ...(command.binds ?? [])],
      ...(timeoutSeconds === undefined
        ? {}
        : {timeoutMs: Math.max(1, this.#startedAt + timeoutSeconds * 1000 - Date.now())}),
    });
    return ran.ok ? ran : fail(stepFailure(ran.error, {network, timeoutSeconds}));
  }

  /** No value of a secret may stay behind: neither in the layer nor in a folder that persists. */
  async #searched(): Promise<Result<void, StageFailure>> {
    const {secrets, caches} = this.#parts;
    const found = [
      ...(await takeLeaks(this.#context.output, secrets.values)),
      ...(
        await Promise.all(
          caches.map(async ({path, folder}) => {
            const leaks = await takeLeaks(folder, secrets.values, (changedMs) => changedMs < this.#startedAt);
            return leaks.map((leak) => ({...leak, path: path + leak.path}));
          }),
        )
      ).flat(),
    ];
    const [first] = found;
    if (first === undefined) return ok(undefined);
    return fail({
      reason: 'refused',
      message: `The step left the secret ${first.secret} in ${found.map(({path}) => path).join(', ')}`,
      hint: 'Have it read the secret where it is used, /run/secrets, or remove the file at its end',
    });
  }
}

/** What is bound into the tree, for a command that may stand outside of it. */
function treeBinds({inside = 'image', enters}: StepCommand, binds: readonly Bind[]): readonly Bind[] {
  if (inside === 'image') return binds;
  if (inside === 'host' || enters !== true) return [];
  return binds.map((bind) => ({...bind, path: `${toolsTreePath}${bind.path}`}));
}
