import {existsSync, mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {downloadFiles, publicUri} from '../../lock/bring-download.ts';
import type {RpmSource} from '../../plan/rpm-sources.ts';
import {fail, ok, type Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import {cleanEnvironment} from '../../sandbox/environment.ts';
import {runProcess} from '../../sandbox/process.ts';
import {tied} from '../host-command.ts';
import type {StageContext, StageRunner} from '../stage.ts';
import {downloadUnknown} from './download.ts';
import {armored, publicKeys} from './openpgp.ts';
import {type MetadataFile, readRepomd} from './repomd.ts';
import {armoredKeysFile, keyringFile, metadataFolder, repositoriesFile} from './repositories.ts';

/**
 * The metadata of repositories of rpm packages, kept as it was read: all packages of an image are of one moment. Where a
 * repository is signed, repomd.xml is verified against its signature and names the rest by digest; where it is not, its
 * packages are all the same verified one by one when they are installed.
 */
export const runRpmArchive: StageRunner = async (context) => {
  if (context.offline) return fail({failure: offline});
  const sources = context.node.params['sources'] as unknown as readonly RpmSource[];
  mkdirSync(join(context.output, 'keys'));
  for (const [index, source] of sources.entries()) {
    context.progress(`Reading the metadata of ${source.id}`, index / sources.length);
    const read = await readRepository(context, source);
    if (!read.ok) return fail({failure: read.error});
  }
  const known = sources.map(({id, uri}) => ({id, uri}));
  writeFileSync(join(context.output, repositoriesFile), `${JSON.stringify(known)}\n`);
  return ok({result: {}});
};

const offline: StageFailure = {
  reason: 'refused',
  message: 'The metadata of rpm repositories is not in the cache, and none is asked for offline',
  hint: 'Build once while there is a network; what was read then is used until "--refresh"',
};

async function readRepository(context: StageContext, source: RpmSource): Promise<Result<void, StageFailure>> {
  const {id, uri, signed_metadata: isSigned} = source;
  const keys = keysOf(context, source);
  if (!keys.ok) return keys;
  const keyring = keyringFile(context.output, id);
  writeFileSync(keyring, Buffer.concat(keys.value));
  writeFileSync(armoredKeysFile(context.output, id), keys.value.map(armored).join(''));
  const folder = metadataFolder(context.output, id);
  mkdirSync(join(folder, 'repodata'), {recursive: true});
  const repomd = join(folder, 'repodata/repomd.xml');
  const names = ['repodata/repomd.xml', ...(isSigned ? ['repodata/repomd.xml.asc'] : [])];
  const failed = await downloadUnknown(
    names.map((name) => ({uri: `${uri}/${name}`, path: join(folder, name)})),
    context,
  );
  if (failed !== undefined) return fail(unreachable(source, failed));
  if (isSigned) {
    const verified = await verify(context, {id, keyring, repomd});
    if (!verified.ok) return verified;
  }
  let files: readonly MetadataFile[];
  try {
    files = readRepomd(readFileSync(repomd, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail({
      reason: 'refused',
      message: `${publicUri(uri)}/repodata/repomd.xml cannot be used: ${why}`,
      hint: `Check the address of ${id}`,
    });
  }
  const wanted = files.map(({path, ...file}) => ({uri: `${uri}/${path}`, ...file}));
  const got = await downloadFiles(wanted, {...context, onBytes: () => undefined});
  for (const [index, {path}] of files.entries()) {
    const result = got[index];
    if (result?.state !== 'done')
      return fail(unreachable(source, `${path}: ${result === undefined ? 'nothing came' : result.why}`));
    renameSync(result.path, join(folder, path));
  }
  return ok(undefined);
}

function unreachable({id, uri}: RpmSource, why: string): StageFailure {
  return {
    reason: 'refused',
    message: `The repository ${id} cannot be read: ${why}`,
    details: [publicUri(uri)],
    hint: 'Check os.mirror and repositories in the spec, and that this host reaches them; then run the build again',
  };
}

/** The keys of a repository. */
function keysOf(context: StageContext, source: RpmSource): Result<readonly Buffer[], StageFailure> {
  const {id, keys, project_key: isProject} = source;
  const paths = keys.map((key) => (isProject ? join(context.projectDir, key) : key));
  const there = paths.filter((path) => existsSync(path));
  if (there.length === 0) {
    return fail({
      reason: 'refused',
      message: `There is no key to verify ${id} with`,
      details: paths.map((path) => `${path}: not there`),
      hint: 'Name the file with the key in os.signed_by, or put it at one of these places of the host',
    });
  }
  const found = there.map((path) => publicKeys(readFileSync(path)));
  const wrong = there.find((_, index) => found[index]?.length === 0);
  if (wrong !== undefined) {
    return fail({
      reason: 'refused',
      message: `${wrong} is no OpenPGP public key`,
      hint: `Export the key of ${id} with "gpg --armor --export", and name that file`,
    });
  }
  return ok(found.flat());
}

/** gpgv(1) with nothing but the repository's own keys. */
async function verify(
  context: StageContext,
  {id, keyring, repomd}: {readonly id: string; readonly keyring: string; readonly repomd: string},
): Promise<Result<void, StageFailure>> {
  const said: string[] = [];
  const command = tied(context.tool('gpgv'), '--keyring', keyring, `${repomd}.asc`, repomd);
  const outcome = await runProcess(command, {
    env: cleanEnvironment,
    log: context.log,
    signal: context.signal,
    onLine: (line) => {
      said.push(line);
      return true;
    },
  });
  if (outcome.exitCode === 0) return ok(undefined);
  const why = said.find((line) => /BAD signature|No public key|Can't check/.test(line)) ?? said.at(-1) ?? '';
  return fail({
    reason: 'refused',
    message: `The metadata of ${id} is refused: its signature is not of the repository's key`,
    details: [why.replace(/^gpgv: /, '')],
    hint: 'Name the right key in signed_by; if it is the right one, the repository was changed by somebody else',
  });
}
