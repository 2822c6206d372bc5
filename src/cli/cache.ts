import {existsSync, writeFileSync} from 'node:fs';
import {cacheLayout} from '../../cache/layout.ts';
import type {Store} from '../../cache/store.ts';
import {type ExitCode, exitCode, FgError, isErrno} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {canEnterUserNamespace, enterUserNamespace, isRoot} from '../sandbox/user-namespace.ts';
import {nearest} from '../spec/nearest.ts';
import {type GcWords, parseBounds} from './cache-bounds.ts';
import {readStore} from './read-store.ts';
import {openStore, refuseUserNamespace} from './session.ts';

/** Options as they were typed; each belongs to some of the actions only. */
export interface CacheOptions extends GcWords {
  readonly cacheDir?: string | undefined;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly deep?: boolean;
  readonly repair?: boolean;
  readonly trust?: boolean;
}

const bounds = ['maxSize', 'maxAge', 'minFree', 'keepLast'] as const;

/** Which options an action takes beside `--cache-dir`. */
const actions = {
  gc: [...bounds, 'dryRun', 'json'],
  du: ['json'],
  verify: ['deep', 'repair', 'json'],
  rebuild: ['trust', 'json'],
  pin: [],
  unpin: [],
  pins: ['json'],
  keygen: ['json'],
} as const satisfies Record<string, readonly (keyof CacheOptions)[]>;

type Action = keyof typeof actions;

/**
 * `fgimage cache <action> [...names]`. Throws `FgError` for an unknown action, an option that the action does not
 * take, names where none belong, and whatever of the cache a user can mend.
 */
export async function runCache(
  action: string | undefined,
  names: readonly string[],
  options: CacheOptions,
): Promise<ExitCode> {
  const known = checkAction(action);
  checkOptions(known, options);
  checkNames(known, names);
  const root = cacheFolder(options.cacheDir);
  switch (known) {
    case 'gc':
      return cacheGc(root, options);
    case 'du':
      return cacheDu(root, options);
    case 'verify':
      return cacheVerify(root, options);
    case 'rebuild':
      return cacheRebuild(root, options);
    case 'pin':
    case 'unpin':
      return cachePin(root, names, known);
    case 'pins':
      return cachePins(root, options);
    case 'keygen':
      return cacheKeygen(names[0] ?? '', options);
  }
}

/** `fgimage cache gc`: removes what the bounds do not allow, or tells what it would. */
export async function cacheGc(root: string, options: CacheOptions): Promise<ExitCode> {
  const wanted = parseBounds(options);
  if (!isCache(root)) return sayEmpty(root, options);
  if (!isRoot()) return insideNamespace(root);
  const dryRun = options.dryRun === true;
  const {collectGarbage} = await import('../../cache/gc.ts');
  const {gcText} = await import('./cache-text.ts');
  return using(dryRun ? readStore(root) : openStore(root), (store) => {
    const report = collectGarbage(store, {...wanted, dryRun, now: Date.now()});
    print(options.json === true ? json(report) : gcText(report, wanted));
    return exitCode.done;
  });
}

/** `fgimage cache du`: what takes how much room. */
export async function cacheDu(root: string, options: CacheOptions): Promise<ExitCode> {
  if (!isCache(root)) return sayEmpty(root, options);
  if (!isRoot()) return insideNamespace(root);
  const {cacheUsage} = await import('../../cache/usage.ts');
  const {usageText} = await import('./cache-text.ts');
  return using(readStore(root), (store) => {
    const usage = cacheUsage(store);
    print(options.json === true ? json(usage) : usageText(usage));
    return exitCode.done;
  });
}

/** `fgimage cache verify`: exit code 1 when something is wrong and was not mended. */
export async function cacheVerify(root: string, options: CacheOptions): Promise<ExitCode> {
  if (!isCache(root)) return sayEmpty(root, options);
  if (!isRoot()) return insideNamespace(root);
  const {verifyCache} = await import('../../cache/verify.ts');
  const {verifyText} = await import('./cache-text.ts');
  return using(openStore(root), async (store) => {
    const [deep, repair] = [options.deep === true, options.repair === true];
    const report = await verifyCache(store, {deep, repair, onProgress: progress('Checked')});
    print(options.json === true ? json(report) : verifyText(report));
    return report.isSound ? exitCode.done : exitCode.stageFailed;
  });
}

/** `fgimage cache rebuild`: makes the database again. */
export async function cacheRebuild(root: string, options: CacheOptions): Promise<ExitCode> {
  const layout = cacheLayout(root);
  if (!isCache(root) && !existsSync(layout.records)) return sayEmpty(root, options);
  if (!isRoot()) return insideNamespace(root);
  const {rebuildDatabase} = await import('../../cache/rebuild.ts');
  const {stageKey} = await import('../plan/key.ts');
  const {rebuildText} = await import('./cache-text.ts');
  const report = await rebuildDatabase(root, {
    keyOf: (parts) => stageKey(parts as Parameters<typeof stageKey>[0]),
    trust: options.trust === true,
    now: Date.now(),
    onProgress: progress('Read'),
  });
  print(options.json === true ? json(report) : rebuildText(report));
  return exitCode.done;
}

/** `fgimage cache pin` and `unpin` */
export async function cachePin(
  root: string,
  names: readonly string[],
  action: 'pin' | 'unpin',
): Promise<ExitCode> {
  const {pinImages, unpinImages} = await import('./cache-pins.ts');
  return using(openStore(root), (store) => {
    print((action === 'pin' ? pinImages : unpinImages)(store, names));
    return exitCode.done;
  });
}

/** `fgimage cache pins` */
export async function cachePins(root: string, options: CacheOptions): Promise<ExitCode> {
  const {listedPins, pinsText} = await import('./cache-pins.ts');
  return using(readStore(root), (store) => {
    const pins = listedPins(store);
    print(options.json === true ? json(pins) : pinsText(pins));
    return exitCode.done;
  });
}

/** `fgimage cache keygen <file>`: a new private key for that file, and the public key for everybody else. */
export async function cacheKeygen(file: string, options: CacheOptions): Promise<ExitCode> {
  const {generateKeyPair} = await import('../../cache/remote/signature.ts');
  const {id, privatePem, publicKey} = generateKeyPair();
  try {
    writeFileSync(file, privatePem, {mode: 0o600, flag: 'wx'});
  } catch (error) {
    if (!isErrno(error, 'EEXIST', 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR', 'EROFS')) throw error;
    throw new FgError('USAGE', `Cannot write the private key to ${file}`, {
      cause: error,
      hint: 'Name a new file in a folder that you can write; a key that is there is not replaced',
    });
  }
  const told = [
    `private key: ${file} (for those who upload: FGIMAGE_CACHE_SIGNING_KEY=${file})`,
    `public key:  ${publicKey} (for those who download: cache.remote.trusted_keys, or $FGIMAGE_CACHE_TRUSTED_KEYS)`,
  ];
  print(options.json === true ? json({id, file, public_key: publicKey}) : told);
  return exitCode.done;
}

function checkAction(action: string | undefined): Action {
  if (isAction(action)) return action;
  const all = Object.keys(actions);
  if (action === undefined)
    throw new FgError('USAGE', 'fgimage cache wants to know what to do', {
      hint: `Add one of ${all.join(', ')}`,
    });
  const similar = nearest(action, all);
  throw new FgError('USAGE', `There is no command cache ${action}`, {
    hint: similar === undefined ? `There are ${all.join(', ')}` : `Did you mean fgimage cache ${similar}?`,
  });
}

function isAction(action: string | undefined): action is Action {
  return action !== undefined && Object.hasOwn(actions, action);
}

function checkOptions(action: Action, options: CacheOptions): void {
  const taken: readonly string[] = actions[action];
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || value === false || name === 'cacheDir' || taken.includes(name)) continue;
    const [flag, ...flags] = [name, ...taken].map(flagOf);
    throw new FgError('USAGE', `fgimage cache ${action} has no option ${flag ?? ''}`, {
      hint: flags.length === 0 ? 'It has --cache-dir only' : `It has --cache-dir, ${flags.join(', ')}`,
    });
  }
}

function checkNames(action: Action, names: readonly string[]): void {
  const wantsNames = action === 'pin' || action === 'unpin';
  if (action === 'keygen') {
    if (names.length === 1) return;
    throw new FgError('USAGE', 'fgimage cache keygen wants the file for the private key, and nothing else', {
      hint: 'Write e.g. fgimage cache keygen cache-key.pem',
    });
  }
  if (wantsNames && names.length === 0)
    throw new FgError('USAGE', `fgimage cache ${action} wants an image`, {
      hint: 'Name it, or one of its targets: web, web/openstack; "fgimage images" lists them',
    });
  if (!wantsNames && names.length > 0)
    throw new FgError('USAGE', `Unknown words: ${names.join(' ')}`, {hint: 'See fgimage cache --help'});
}

function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** What a build made: an absent folder is not made for a look at it. */
function isCache(root: string): boolean {
  return existsSync(cacheLayout(root).database);
}

function sayEmpty(root: string, {json: asJson}: CacheOptions): ExitCode {
  print(asJson === true ? json({empty: true}) : [`There is no cache in ${root} yet`]);
  return exitCode.done;
}

/** Files in the cache have subordinate ids: only root, there, can read and remove them all. */
async function insideNamespace(root: string): Promise<ExitCode> {
  if (!canEnterUserNamespace()) await refuseUserNamespace(root);
  return (await enterUserNamespace()) as ExitCode;
}

async function using(store: Store, use: (store: Store) => ExitCode | Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await use(store);
  } finally {
    store.close();
  }
}

function json(value: unknown): readonly string[] {
  return [JSON.stringify(value, undefined, 2)];
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** One line on a terminal, gone at the end. */
function progress(what: string): (done: number, total: number) => void {
  if (!process.stderr.isTTY) return () => undefined;
  return (done, total) =>
    process.stderr.write(done === total ? '\r\u001B[K' : `\r\u001B[K${what} ${done} of ${total}`);
}
