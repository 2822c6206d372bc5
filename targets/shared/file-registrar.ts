import {readdir, stat} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join, resolve} from 'node:path';
import {FgError} from '../../src/errors.ts';
import type {JsonObject} from '../../src/spec/image.ts';
import {
  type Artifact,
  markNames,
  type Registrar,
  type RegistrarRequest,
  type RemoteImage,
} from '../registrar.ts';
import {
  deprecateImage,
  type PlacedText,
  type Placing,
  placeImage,
  removeImage,
  setPermissions,
  sidecarPath,
  withFolderErrors,
} from './file-placing.ts';
import {imageOf} from './file-state.ts';
import {readSidecar, sidecarSuffix} from './sidecar.ts';

/** Registration of an artifact as a checked file in a folder, with a sidecar that holds its mark. */
export interface FileRegistration {
  readonly request: RegistrarRequest;
  /** The option under `register` that names the folder. */
  readonly folderOption: 'folder' | 'pool';
  /** Of the registered file: `.ova`. */
  readonly suffix: string;
  /** Texts that come to lie beside the file at `path`. */
  readonly texts?: (
    artifact: Artifact,
    path: string,
  ) => readonly PlacedText[] | Promise<readonly PlacedText[]>;
  /** What else has to be in order before an image comes into the folder. */
  readonly check?: (folder: string) => Promise<void>;
  /** Called when an image has come into the folder, or gone from it. */
  readonly changed?: (folder: string) => Promise<void>;
}

/** Opens a registrar of checked files. Throws `FgError` USAGE where no folder is named, or it is none. */
export async function openFileRegistrar(registration: FileRegistration): Promise<Registrar> {
  const {request, folderOption, suffix} = registration;
  const {name, target, options, projectDir, env} = request;
  const option = `targets.${target}.register.${folderOption}`;
  const {[folderOption]: told} = registerOptions(options);
  if (typeof told !== 'string') {
    throw new FgError('USAGE', `The target ${target} names no folder to register its file in`, {
      hint: `Write ${option}; without it the artifact is a file in the output folder, and nothing more`,
    });
  }
  if (!/^[^/\p{Cc}.][^/\p{Cc}]{0,180}$/u.test(name)) {
    throw new FgError('USAGE', `"${name}" cannot be the name of a file`, {
      hint: `Write a name without / that does not begin with a dot in targets.${target}.register.name`,
    });
  }
  const folder = resolve(projectDir, withHome(told, env));
  const found = await stat(folder).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new FgError('USAGE', `There is no folder ${folder} to register ${name}${suffix} in`, {
      hint: `Make it, or mount it, or name another in ${option}`,
    });
  }
  return registrarOf(registration, folder);
}

/** The options under `register`. */
export function registerOptions({register}: JsonObject): JsonObject {
  return typeof register === 'object' && register !== null && !Array.isArray(register)
    ? (register as JsonObject)
    : {};
}

function withHome(path: string, {HOME: home = homedir()}: NodeJS.ProcessEnv): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;
}

const usualPermissions = '0644';

function registrarOf(registration: FileRegistration, folder: string): Registrar {
  const {request, suffix, texts, check, changed} = registration;
  const {mark, name, signal, options} = request;
  const {permissions: told} = registerOptions(options);
  const permissions = typeof told === 'string' ? told.padStart(4, '0') : usualPermissions;
  const placing = (file: string): Placing => ({folder, file, name, mark, permissions, signal});
  const wanted = placing(`${name}${suffix}`);
  return {
    endpoint: folder,
    properties: {permissions},
    hasUniqueNames: true,
    find: () => withFolderErrors(folder, () => findIn(wanted, suffix)),
    get: (id) => withFolderErrors(folder, () => stateOf(placing(id))),
    create: async (artifact, progress, unfinished) => {
      await withFolderErrors(folder, async () => {
        await check?.(folder);
        const beside = (await texts?.(artifact, join(folder, wanted.file))) ?? [];
        const isUnfinished = unfinished !== undefined;
        await placeImage(wanted, {artifact, texts: beside, progress, isUnfinished});
        await changed?.(folder);
      });
      return await readyState(wanted);
    },
    update: async ({id}) => {
      await withFolderErrors(folder, () => setPermissions(placing(id)));
      return await readyState(placing(id));
    },
    remove: ({id}) =>
      withFolderErrors(folder, async () => {
        await removeImage(placing(id));
        await changed?.(folder);
      }),
    deprecate: ({id}) => withFolderErrors(folder, () => deprecateImage(placing(id))),
  };
}

/** Images of this lineage, and whatever has the wanted name. */
async function findIn(
  {folder, file, name, mark, signal}: Placing,
  suffix: string,
): Promise<readonly RemoteImage[]> {
  const entries = new Set(await readdir(folder));
  const found: RemoteImage[] = [];
  for (const entry of entries) {
    if (!entry.endsWith(`${suffix}${sidecarSuffix}`)) continue;
    signal.throwIfAborted();
    const id = entry.slice(0, -sidecarSuffix.length);
    const sidecar = await readSidecar(join(folder, entry));
    const matters = sidecar?.[markNames.lineage] === mark.lineage || id === file;
    if (sidecar !== undefined && matters) found.push(await imageOf(sidecar, {folder, id, signal}));
  }
  if (entries.has(file) && !found.some(({id}) => id === file))
    found.push({id: file, name, health: 'ready', status: 'a file', properties: {}});
  return found;
}

async function stateOf({folder, file, signal}: Placing): Promise<RemoteImage | undefined> {
  const sidecar = await readSidecar(sidecarPath(folder, file));
  return sidecar === undefined ? undefined : await imageOf(sidecar, {folder, id: file, signal});
}

async function readyState(placing: Placing): Promise<RemoteImage> {
  const {folder, file} = placing;
  const state = await withFolderErrors(folder, () => stateOf(placing));
  if (state?.health === 'ready') return state;
  const reason =
    state === undefined ? `${file} is gone from it` : (state.reason ?? `${file} is not all there`);
  throw new FgError('REMOTE_REFUSED', `${folder} does not keep what was written to it: ${reason}`, {
    hint: 'See what else writes into that folder, and register again',
  });
}
