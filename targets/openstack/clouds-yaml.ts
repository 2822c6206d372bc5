import {readFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {join, resolve} from 'node:path';
import {parse} from 'yaml';
import {FgError, isErrno} from '../../src/errors.ts';
import {nearest} from '../../src/spec/nearest.ts';
import {printable} from '../../src/ui/format.ts';

/**
 * Which cloud is meant and what its owner wrote about it, by the conventions of openstacksdk (user/config): the first
 * `clouds.yaml` that is found, `secure.yaml` merged over it, else the variables `OS_*` as a cloud of their own. The
 * project's folder takes the place of the working folder.
 */
export interface CloudSettings {
  /** For messages: `cloud lab of ./clouds.yaml`, `OS_*`. */
  readonly source: string;
  /** Absent: the variables. */
  readonly cloud?: string;
  /** Names as in clouds.yaml; those of `auth` are in `auth`. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly auth: Readonly<Record<string, unknown>>;
}

export interface CloudRequest {
  /** `register.cloud`. */
  readonly cloud?: string;
  readonly projectDir: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Finds the cloud. Throws `FgError` CREDENTIALS_MISSING. */
export function findCloud(request: CloudRequest): CloudSettings {
  const {env} = request;
  const cloud = request.cloud ?? textOf(env['OS_CLOUD']);
  if (cloud === undefined && hasVariables(env)) {
    const settings = variables(env);
    return {source: 'OS_*', settings, auth: settings};
  }
  const file = firstFile('clouds', request);
  const secure = firstFile('secure', request);
  const clouds = merged(mapOf(file?.content['clouds']), mapOf(secure?.content['clouds']));
  const name = cloud ?? onlyOne(Object.keys(clouds), file);
  const path = file?.path ?? secure?.path;
  if (path === undefined) {
    throw new FgError('CREDENTIALS_MISSING', `There is no clouds.yaml that could tell about cloud ${name}`, {
      hint: `Put one beside fgimage.yaml or into ${join(configFolder(env), 'openstack')}, or name it with OS_CLIENT_CONFIG_FILE`,
    });
  }
  if (!Object.hasOwn(clouds, name)) throw absent(name, path, Object.keys(clouds));
  return named(name, mapOf(clouds[name]), {path, env});
}

function named(
  cloud: string,
  settings: Readonly<Record<string, unknown>>,
  {path, env}: {readonly path: string; readonly env: NodeJS.ProcessEnv},
): CloudSettings {
  const source = `cloud ${printable(cloud)} of ${path}`;
  const auth = mapOf(settings['auth']);
  const profile = textOf(settings['profile']) ?? textOf(settings['cloud']);
  if (profile !== undefined && auth['auth_url'] === undefined) {
    throw new FgError(
      'CREDENTIALS_MISSING',
      `${source} takes its auth_url from the vendor profile ${printable(profile)}, which fgimage does not know`,
      {hint: 'Write auth_url and region_name into the cloud itself'},
    );
  }
  // What is kept out of the file on purpose comes from the environment, as with the openstack command.
  const secrets = pick(variables(env), ['password', 'token', 'application_credential_secret']);
  const general = pick(variables(env), ['region_name', 'cacert']);
  return {source, cloud, settings: {...general, ...settings}, auth: {...secrets, ...settings, ...auth}};
}

function onlyOne(names: readonly string[], file: {readonly path: string} | undefined): string {
  const [name, ...others] = names;
  if (name !== undefined && others.length === 0) return name;
  const where = file === undefined ? 'there is no clouds.yaml, and no OS_AUTH_URL' : file.path;
  const message =
    name === undefined
      ? `No OpenStack cloud is named: ${where}`
      : `${where} has several clouds, and none is chosen: ${names.map(printable).join(', ')}`;
  throw new FgError('CREDENTIALS_MISSING', message, {
    hint:
      name === undefined
        ? 'Write a clouds.yaml, or source the openrc file of your project'
        : 'Choose one with register.cloud or OS_CLOUD',
  });
}

function absent(name: string, path: string, known: readonly string[]): FgError {
  const near = nearest(name, known);
  const all = known.length === 0 ? 'It has no clouds' : `It has ${known.map(printable).join(', ')}`;
  return new FgError('CREDENTIALS_MISSING', `${path} has no cloud ${printable(name)}`, {
    hint: near === undefined ? all : `Did you mean ${printable(near)}? ${all}`,
  });
}

interface CloudFile {
  readonly path: string;
  readonly content: Readonly<Record<string, unknown>>;
}

/** The first file of a kind that is there, as openstacksdk searches. */
function firstFile(kind: 'clouds' | 'secure', {projectDir, env}: CloudRequest): CloudFile | undefined {
  const wanted = textOf(env[kind === 'clouds' ? 'OS_CLIENT_CONFIG_FILE' : 'OS_CLIENT_SECURE_FILE']);
  const folders = [
    projectDir,
    join(configFolder(env), 'openstack'),
    join(homeOf(env), '.config', 'openstack'),
    '/etc/xdg/openstack',
    '/etc/openstack',
  ];
  const usual = folders.flatMap((folder) =>
    ['yaml', 'yml', 'json'].map((suffix) => join(folder, `${kind}.${suffix}`)),
  );
  for (const path of wanted === undefined ? usual : [resolve(projectDir, wanted), ...usual]) {
    const text = readText(path);
    if (text !== undefined) return {path, content: contentOf(path, text)};
    if (wanted !== undefined && path === resolve(projectDir, wanted)) {
      throw new FgError('CREDENTIALS_MISSING', `${path} is not there`, {
        hint: `It is named by ${kind === 'clouds' ? 'OS_CLIENT_CONFIG_FILE' : 'OS_CLIENT_SECURE_FILE'}`,
      });
    }
  }
  return undefined;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    const reason = error instanceof Error ? printable(error.message) : '';
    throw new FgError('CREDENTIALS_MISSING', `Cannot read ${path}: ${reason}`, {
      cause: error,
      hint: 'Check who may read it',
    });
  }
}

function contentOf(path: string, text: string): Readonly<Record<string, unknown>> {
  let content: unknown;
  try {
    // Text stays text: a password may look like a number.
    content = parse(text, {schema: 'failsafe', merge: true, logLevel: 'error'});
  } catch (error) {
    // The parser's message repeats the line, which may hold a password.
    const line = (error as {linePos?: readonly {readonly line: number}[]}).linePos?.[0]?.line;
    const where = line === undefined ? '' : `, line ${line}`;
    throw new FgError('CREDENTIALS_MISSING', `${path}${where}: this is no YAML`, {
      hint: 'Check its indentation and quotes',
    });
  }
  if (isMap(content) && (content['clouds'] === undefined || isMap(content['clouds']))) return content;
  throw new FgError('CREDENTIALS_MISSING', `${path} does not have its clouds under "clouds:"`);
}

/** Variables that choose and do not describe a cloud (openstacksdk). */
const selectors = [
  ...['OS_CLOUD', 'OS_REGION_NAME', 'OS_CLIENT_CONFIG_FILE', 'OS_CLIENT_SECURE_FILE', 'OS_CLOUD_NAME'],
  ...['OS_CACERT', 'OS_INSECURE'],
];

function hasVariables(env: NodeJS.ProcessEnv): boolean {
  return Object.entries(env).some(
    ([name, value]) => /^OS_(?!TEST|STD|LOG)/.test(name) && value !== '' && !selectors.includes(name),
  );
}

function variables(env: NodeJS.ProcessEnv): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith('OS_') && value !== undefined && value !== ''
        ? [[name.slice(3).toLowerCase(), value]]
        : [],
    ),
  );
}

function pick(
  from: Readonly<Record<string, string>>,
  names: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));
}

function merged(
  under: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const both = Object.entries(over).map(([key, value]) => {
    const old = under[key];
    return [key, isMap(old) && isMap(value) ? merged(old, value) : value] as const;
  });
  return {...under, ...Object.fromEntries(both)};
}

function configFolder(env: NodeJS.ProcessEnv): string {
  return textOf(env['XDG_CONFIG_HOME']) ?? join(homeOf(env), '.config');
}

export function homeOf(env: NodeJS.ProcessEnv): string {
  return textOf(env['HOME']) ?? homedir();
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return isMap(value) ? value : {};
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text that is there. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
