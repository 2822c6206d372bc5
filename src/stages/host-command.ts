import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {cleanEnvironment} from '../sandbox/sandbox.ts';

/** A host program that ends with fgimage, even on kill -9 (prctl(2), PR_SET_PDEATHSIG). */
export function tied(...command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  return ['setpriv', '--pdeathsig', 'KILL', '--', ...command];
}

/** The clean environment, with the proxies that a fetching program of the host may need. */
export function hostEnvironment(): Record<string, string> {
  const proxies = [
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'all_proxy',
    'ALL_PROXY',
  ];
  const environment: Record<string, string> = {...cleanEnvironment};
  for (const name of proxies) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

/** The proxies of fgimage's own environment. */
export function hostProxies(): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(hostEnvironment()).filter(([name]) => /_proxy$/i.test(name)));
}

/**
 * Options that give the host's apt a state of its own below `folder`, beside what the host's configuration says of
 * proxies, credentials and time-outs: those are the host's to know (apt.conf(5)).
 */
export function hostAptOptions(folder: string): readonly string[] {
  for (const name of ['state', 'cache/archives/partial', 'log'])
    mkdirSync(join(folder, name), {recursive: true});
  return [
    '-q',
    '-o',
    `Dir::State=${join(folder, 'state')}`,
    '-o',
    'Dir::State::status=/dev/null',
    '-o',
    `Dir::Cache=${join(folder, 'cache')}`,
    '-o',
    `Dir::Log=${join(folder, 'log')}`,
    '-o',
    'Dir::Etc::SourceParts=/dev/null',
    '-o',
    'Dir::Etc::PreferencesParts=/dev/null',
    '-o',
    'Dir::Etc::Preferences=/dev/null',
    '-o',
    'APT::Sandbox::User=',
    '-o',
    'Acquire::Retries=2',
    '-o',
    'Acquire::http::Timeout=30',
    '-o',
    'Acquire::https::Timeout=30',
    '-o',
    'APT::Update::Post-Invoke-Success::=',
  ];
}
