import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../../../package-root.ts';
import {fail, ok, type Result} from '../../../result.ts';
import type {StageFailure} from '../../../run/events.ts';
import type {Provisioner} from '../../../spec/image.ts';
import type {StageContext} from '../../stage.ts';
import type {StepContext, StepRunner} from '../step.ts';
import {type Client, prepareClient} from './client.ts';
import {clientRb, dnaJson, place} from './client-config.ts';
import {chefFailure} from './failure.ts';
import {type ChefInputs, chefInputs} from './inputs.ts';
import type {ChefOptions} from './options.ts';
import {ChefProgress} from './progress.ts';
import {makeRepository} from './repository.ts';

/** `provision: [{chef: …}]`: runs the client in local mode; what it writes of itself is in /run, and gone after it. */
export const runChef: StepRunner = async (step) => {
  const {stage} = step;
  const options = step.options as unknown as ChefOptions;
  const inputs = chefInputs(options, stage.projectDir);
  const folder = join(stage.work, 'chef');
  const staged = stageFiles(stage, inputs, join(folder, 'repository'));
  if (!staged.ok) return staged;
  writeConfig(options, inputs, join(folder, 'config'));
  tellUnreadable(stage, inputs);
  const client = await prepareClient(step, options);
  if (!client.ok) return client;
  return converge(step, {options, inputs, client: client.value, folder});
};

interface Prepared {
  readonly options: ChefOptions;
  readonly inputs: ChefInputs;
  readonly client: Client;
  /** The scratch folder with the repository and the configuration. */
  readonly folder: string;
}

/** Finds the program among its words before `--`; what follows is what it is told. */
const start = `mkdir -p ${place.state}/cache ${place.state}/backup
while [ "$1" != -- ]; do
  [ -n "\${program-}" ] || program=$(command -v "$1")
  shift
done
shift
[ -n "$program" ] || { echo 'fgimage-chef {"event": "no-client"}' >&2; exit 127; }
exec "$program" "$@"`;

async function converge(
  step: StepContext,
  {options, inputs, client, folder}: Prepared,
): Promise<Result<void, StageFailure>> {
  const {stage} = step;
  const progress = new ChefProgress(
    (message, fraction) => stage.progress(message, fraction),
    // What JSON had quoted, or report.rb cut off, the log did not see.
    (text) => stage.log.cleanCut(text),
  );
  const words = [
    '--local-mode',
    '--config',
    `${place.config}/client.rb`,
    '--json-attributes',
    `${place.config}/dna.json`,
    '--no-color',
  ];
  stage.progress(`starting ${options.client}-client`);
  const done = await step.run({
    command: ['/bin/sh', '-c', start, 'sh', ...client.programs, '--', ...words],
    shown: [`${options.client}-client`, ...words],
    binds: [
      {source: join(folder, 'config'), path: place.config, kind: 'dir', mode: 'ro'},
      {source: join(folder, 'repository'), path: place.repository, kind: 'dir', mode: 'ro'},
      ...client.binds,
    ],
    ...(client.above.length === 0 ? {} : {above: client.above}),
    // A licence that is remembered would be a file in the image.
    ...(options.chef_license === undefined ? {} : {env: {CHEF_LICENSE: 'accept-no-persist'}}),
    onLine: (line) => progress.line(line),
    hint: exitHint,
  });
  step.keep(progress.packages);
  if (done.ok || done.error.reason !== 'command-failed') return done;
  const {end} = progress;
  if (end === undefined)
    return fail({
      ...done.error,
      hint: licenceHints.get(done.error.exitCode ?? 0) ?? done.error.hint ?? exitHint,
    });
  if (end.kind === 'reboot' && !end.early) {
    stage.log.write('fgimage: a recipe asked for a reboot at the end: the image is booted later anyway');
    return ok(undefined);
  }
  return fail(
    chefFailure(end, {
      client: options.client,
      version: options.version,
      network: hasNetwork(stage),
      cookbooks: inputs.cookbooks,
      stage: stage.node.id,
    }),
  );
}

const exitHint = 'The client did not get as far as a run: the log says why';
const noKey =
  'Chef 19 and later want a licence key, which a step cannot give them: use Chef 18, or `client: cinc`';
/** By exit code: LICENSE_NOT_ACCEPTED of license-acceptance; LICENSE_NOT_ENTITLED, LICENSE_NOT_SET of Chef. */
const licenceHints: ReadonlyMap<number, string> = new Map([
  [172, "Accept Chef's licence: `chef_license: accept`"],
  [173, noKey],
  [174, noKey],
]);

/** Puts what the key names, and nothing else, where the client looks for it. */
function stageFiles(stage: StageContext, inputs: ChefInputs, repository: string): Result<void, StageFailure> {
  const {staged, problems} = inputs;
  const unknown = staged.map(({source}) => source).filter((source) => !(source in stage.node.files));
  if (unknown.length > 0 || problems.length > 0)
    return fail({
      reason: 'input-changed',
      paths: unknown.length > 0 ? unknown : problems.map(({message}) => message),
    });
  makeRepository(stage.projectDir, inputs, repository);
  return ok(undefined);
}

function writeConfig(options: ChefOptions, inputs: ChefInputs, folder: string): void {
  mkdirSync(folder, {recursive: true});
  writeFileSync(join(folder, 'client.rb'), clientRb(options, inputs));
  writeFileSync(join(folder, 'dna.json'), dnaJson(inputs));
  const report = join(packageRoot, 'src/stages/provision/chef/report.rb');
  writeFileSync(join(folder, 'report.rb'), readFileSync(report));
}

function tellUnreadable(stage: StageContext, {unreadable}: ChefInputs): void {
  if (unreadable.length === 0) return;
  stage.warn(
    `Only running ${unreadable.join(', ')} would tell what is named there: all roles and cookbooks are in the key`,
    'Write run_list and depends as plain text, or as JSON',
  );
}

function hasNetwork({node}: StageContext): boolean {
  return (node.params['provisioner'] as unknown as Provisioner).network;
}
