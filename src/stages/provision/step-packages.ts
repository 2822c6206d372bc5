import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {Installed} from '../apt.ts';
import {installPackages} from '../package-manager.ts';
import {archiveOf, hasDebs} from '../rpm-tree.ts';
import type {StageContext} from '../stage.ts';
import {runInTree} from '../tree.ts';
import {autoInstalled, installedNames, newNames, onlyForStep, withoutNames} from './dpkg-state.ts';
import {type StepLayer, scratchFolder} from './step-layer.ts';

const staysInRpms: StageFailure = {
  reason: 'refused',
  message: 'What only a step needs cannot be taken out again yet where rpm has the packages',
  hint: 'Name it under `packages` of the image, or write `keep_client: true` where a client is meant',
};

/**
 * Packages that a step needs and the image does not: they are installed into the step's own layer, and afterwards those
 * that came with them are purged, but for what the step itself made use of: what it asked apt for or found to be there, and
 * what packages that it installed depend on.
 */
export class StepPackages {
  readonly #context: StageContext;
  readonly #layer: StepLayer;
  /** Users and groups that maintainer scripts made. */
  #accounts: readonly string[] = [];
  #added: readonly string[] = [];

  constructor(context: StageContext, layer: StepLayer) {
    this.#context = context;
    this.#layer = layer;
  }

  async install(): Promise<Result<Installed, StageFailure>> {
    const {params} = this.#context.node;
    const install = params['install'] as readonly string[] | undefined;
    if (install === undefined) return ok({known: false});
    if (params['keep_client'] === false && !hasDebs(this.#context.node)) return fail(staysInRpms);
    const installed = await installPackages(this.#context, {
      install,
      remove: [],
      archive: archiveOf(this.#context.node),
    });
    if (!installed.ok || installed.value.known || params['keep_client'] !== false) return installed;
    this.#added = newNames(this.#layer.textBelow(statusFile), this.#layer.text(statusFile), installedNames);
    this.#accounts = ['etc/passwd', 'etc/group'].flatMap((path) =>
      newNames(this.#layer.textBelow(path), this.#layer.text(path), accountNames),
    );
    // Whatever the step asks apt for is marked as wanted by that, and told apart from what only came along.
    this.#writeStates(autoInstalled(this.#layer.text(statesFile), this.#layer.text(statusFile), this.#added));
    return installed;
  }

  /** `wanted`: packages that the step found to be there, and that the image is to have. */
  async purge(wanted: ReadonlySet<string>): Promise<Result<void, StageFailure>> {
    if (this.#added.length === 0) return ok(undefined);
    const mayGo = onlyForStep(this.#added, {states: this.#layer.text(statesFile), wanted});
    const folder = scratchFolder(this.#context, 'purge');
    writeFileSync(join(folder, 'extended_states'), autoInstalled('', this.#layer.text(statusFile), mayGo));
    this.#context.progress('Removing what only the step needed');
    const purged = await runInTree(this.#context, {
      command: ['apt-get', ...purgeOptions, '-y', '-q', '--purge', 'autoremove'],
      writable: true,
      binds: [{source: folder, path: purgePath, kind: 'dir', mode: 'rw'}],
    });
    if (!purged.ok) return fail(purged.error);
    const left = installedNames(this.#layer.text(statusFile));
    this.#writeStates(
      withoutNames(
        this.#layer.text(statesFile),
        new Set(this.#added.filter((name) => !left.has(name) || wanted.has(name))),
      ),
    );
    if (this.#added.every((name) => !left.has(name))) this.#removeAccounts();
    this.#layer.drop(backups);
    this.#layer.dropUnchanged(stateFiles);
    return ok(undefined);
  }

  #writeStates(text: string): void {
    this.#layer.rewrite(statesFile, text);
  }

  /** passwd(5), group(5) and what goes with them: lines of a name, and the name among a group's members. */
  #removeAccounts(): void {
    const names = new Set(this.#accounts);
    if (names.size === 0) return;
    for (const path of accountFiles) {
      const text = this.#layer.text(path);
      const isGroup = path.endsWith('group') || path.endsWith('gshadow');
      const lines = text.split('\n').filter((line) => !names.has(line.split(':')[0] ?? ''));
      const cleaned = lines.map((line) => (isGroup ? withoutMembers(line, names) : line));
      if (cleaned.join('\n') !== text) this.#layer.rewrite(path, cleaned.join('\n'));
    }
    // dpkg-statoverride(1): dpkg does nothing any more where an owner that stands here is gone.
    const overrides = this.#layer.text(overridesFile);
    const left = overrides.split('\n').filter((line) => !line.split(' ', 2).some((name) => names.has(name)));
    if (left.join('\n') !== overrides) this.#layer.rewrite(overridesFile, left.join('\n'));
  }
}

function withoutMembers(line: string, names: ReadonlySet<string>): string {
  const fields = line.split(':');
  if (fields.length !== 4) return line;
  const members = (fields[3] ?? '').split(',').filter((name) => !names.has(name));
  return [...fields.slice(0, 3), members.join(',')].join(':');
}

function accountNames(text: string): ReadonlySet<string> {
  return new Set(text.split('\n').flatMap((line) => line.split(':')[0] || []));
}

const statusFile = 'var/lib/dpkg/status';
const statesFile = 'var/lib/apt/extended_states';
const overridesFile = 'var/lib/dpkg/statoverride';
const purgePath = '/run/fgimage/purge';

/**
 * apt-get(8) `autoremove` with marks of its own: only what came for the step counts as installed automatically, so that
 * nothing else goes; and only dependencies hold it back.
 */
const purgeOptions: readonly string[] = [
  `Dir::State::extended_states=${purgePath}/extended_states`,
  'Dir::Etc::SourceList=/dev/null',
  'Dir::Etc::SourceParts=/dev/null',
  'Dir::Cache::pkgcache=',
  'Dir::Cache::srcpkgcache=',
  'Dir::Log::Terminal=',
  'APT::Sandbox::User=',
  'APT::AutoRemove::RecommendsImportant=false',
  'APT::AutoRemove::SuggestsImportant=false',
  'Dpkg::Use-Pty=false',
  'Debug::NoLocking=true',
  'DPkg::Options::=--force-unsafe-io',
].flatMap((option) => ['-o', option]);

const accountFiles = ['passwd', 'shadow', 'group', 'gshadow', 'subuid', 'subgid'].map(
  (name) => `etc/${name}`,
);

/** What is kept of the state before: it would tell that something came and went. */
const backups: readonly string[] = [
  'etc/.pwd.lock',
  ...accountFiles.map((path) => `${path}-`),
  ...['status-old', 'diversions-old', 'statoverride-old'].map((name) => `var/lib/dpkg/${name}`),
  ...['config.dat-old', 'templates.dat-old', 'passwords.dat-old'].map((name) => `var/cache/debconf/${name}`),
];

/** What is written anew while packages come and go, and is often what it was in the end. */
const stateFiles: readonly string[] = [
  ...accountFiles,
  statusFile,
  statesFile,
  'etc/ld.so.cache',
  'etc/shells',
  ...[
    'diversions',
    'statoverride',
    'available',
    'lock',
    'lock-frontend',
    'triggers/Lock',
    'triggers/File',
    'triggers/Unincorp',
  ].map((name) => `var/lib/dpkg/${name}`),
  ...['config.dat', 'templates.dat', 'passwords.dat'].map((name) => `var/cache/debconf/${name}`),
  'var/cache/apt/archives/lock',
];
