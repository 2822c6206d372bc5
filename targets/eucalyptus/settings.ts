import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {isAbsolute, join, resolve} from 'node:path';
import {FgError, isErrno} from '../../src/errors.ts';
import type {RegistrarRequest} from '../registrar.ts';
import {type IniSection, optionsOf, readEucaIni} from './euca-ini.ts';
import {readEucarc} from './eucarc.ts';
import type {RegisterOptions} from './schema.ts';

/** What is wanted, by its name in eucarc; in the environment Amazon's names do as well. */
export const names = {
  ec2Url: ['EC2_URL'],
  s3Url: ['S3_URL'],
  accessKeyId: ['EC2_ACCESS_KEY', 'AWS_ACCESS_KEY', 'AWS_ACCESS_KEY_ID'],
  secretAccessKey: ['EC2_SECRET_KEY', 'AWS_SECRET_KEY', 'AWS_SECRET_ACCESS_KEY'],
  account: ['EC2_USER_ID', 'EC2_ACCOUNT_NUMBER'],
  cloudCertificate: ['EUCALYPTUS_CERT'],
  userCertificate: ['EC2_CERT', 'EUCA_CERT'],
  privateKey: ['EC2_PRIVATE_KEY', 'EUCA_PRIVATE_KEY'],
} as const;

export type Name = keyof typeof names;
/** What was found, and where. */
export type Found = Readonly<Partial<Record<Name, {readonly value: string; readonly at: string}>>>;

/** What euca2ools.ini(5) calls it, and in which section. */
const iniNames: Readonly<Record<Name, readonly ['region' | 'user', string]>> = {
  ec2Url: ['region', 'ec2-url'],
  s3Url: ['region', 's3-url'],
  accessKeyId: ['user', 'key-id'],
  secretAccessKey: ['user', 'secret-key'],
  account: ['user', 'account-id'],
  cloudCertificate: ['region', 'certificate'],
  userCertificate: ['user', 'certificate'],
  privateKey: ['user', 'private-key'],
};

const everyName = Object.keys(names) as readonly Name[];

export interface FoundSettings {
  readonly found: Found;
  readonly home: string;
  /** Where was looked, for messages. */
  readonly from: string;
}

/**
 * Finds what credentials are read from: the `eucarc` that is named, or else the environment (a sourced eucarc), and what
 * it does not say in euca2ools' own files.
 */
export function findSettings(
  options: RegisterOptions,
  {env, projectDir}: Pick<RegistrarRequest, 'env' | 'projectDir'>,
): FoundSettings {
  const home = env['HOME'] ?? homedir();
  const file = options.eucarc ?? env['FGIMAGE_EUCARC'];
  if (file === undefined) {
    const found = {...fromIni(options, env, home), ...fromEnvironment(env)};
    return {found, home, from: 'the environment and ~/.euca/*.ini'};
  }
  return {found: fromEucarc(file, resolve(projectDir, withHome(file, home)), home), home, from: file};
}

function fromEucarc(label: string, path: string, home: string): Found {
  const settings = readEucarc(readSetting(path, label), {label, path, home});
  return picked((name) => names[name].map((one) => settings.get(one)).find((one) => one !== undefined));
}

function fromEnvironment(env: NodeJS.ProcessEnv): Found {
  return picked((name) => {
    const variable = names[name].find((one) => (env[one] ?? '') !== '');
    return variable === undefined ? undefined : {value: env[variable] ?? '', at: variable};
  });
}

function fromIni(options: RegisterOptions, env: NodeJS.ProcessEnv, home: string): Found {
  const sections = iniPaths(env, home).flatMap((path): readonly IniSection[] =>
    readEucaIni(readSetting(path, path), path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path),
  );
  const wanted = options.region ?? env['EUCA_DEFAULT_REGION'] ?? env['AWS_DEFAULT_REGION'];
  const usual = optionsOf(sections, 'global', '').get('default-region')?.value;
  const [user, region] = splitRegion(wanted ?? '');
  const regionName = region ?? usual;
  if (regionName === undefined) return {};
  const ofRegion = optionsOf(sections, 'region', regionName);
  if (options.region !== undefined && ofRegion.size === 0) {
    throw new FgError('CREDENTIALS_MISSING', `No file of euca2ools has a region ${regionName}`, {
      hint: `Add [region ${regionName}] with ec2-url and s3-url to ~/.euca/${regionName}.ini.`,
    });
  }
  const userName = user ?? ofRegion.get('user')?.value;
  const ofUser = optionsOf(sections, 'user', userName ?? '');
  return picked((name) => {
    const [kind, option] = iniNames[name];
    return (kind === 'region' ? ofRegion : ofUser).get(option);
  });
}

/** `REGION`, `USER@` or `USER@REGION`. */
function splitRegion(text: string): readonly [user: string | undefined, region: string | undefined] {
  const [before = '', after] = text.split('@', 2);
  const [user, region] = after === undefined ? ['', before] : [before, after];
  return [user === '' ? undefined : user, region === '' ? undefined : region];
}

/** Where euca2ools looks; `EUCA_INI_DIR` stands for the place of the site's files. */
function iniPaths(env: NodeJS.ProcessEnv, home: string): readonly string[] {
  const site = env['EUCA_INI_DIR'] ?? '/etc/euca2ools';
  const inFolder = (folder: string): readonly string[] =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((name) => name.endsWith('.ini'))
          .sort()
          .map((name) => join(folder, name))
      : [];
  const own = join(site, 'euca2ools.ini');
  return [
    ...(existsSync(own) ? [own] : []),
    ...inFolder(join(site, 'conf.d')),
    ...inFolder(join(home, '.euca')),
  ];
}

function picked(get: (name: Name) => {readonly value: string; readonly at: string} | undefined): Found {
  const found = everyName.flatMap((name) => {
    const setting = get(name);
    return setting === undefined || setting.value === '' ? [] : [[name, setting] as const];
  });
  return Object.fromEntries(found);
}

/** `label`: what the file is called in messages. */
export function readSetting(path: string, label: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = isErrno(cause, 'ENOENT') ? 'the file does not exist' : 'the file cannot be read';
    const shown = label === path || isAbsolute(label) ? path : `${label}: ${path}`;
    throw new FgError('CREDENTIALS_MISSING', `${shown}: ${reason}`, {
      cause,
      hint: 'Check the path, and that you may read it.',
    });
  }
}

export function withHome(path: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : path;
}
