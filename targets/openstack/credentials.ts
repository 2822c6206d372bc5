import {readFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {FgError} from '../../src/errors.ts';
import {printable} from '../../src/ui/format.ts';
import {type CloudRequest, type CloudSettings, findCloud, homeOf, textOf} from './clouds-yaml.ts';

/** What is needed to ask Keystone, and where to look in its answer. */
export interface Cloud {
  /** For messages: whose credentials they are. */
  readonly source: string;
  /** With `/v3`. */
  readonly authUrl: string;
  readonly login: Login;
  /** Body of `scope`; absent: the credential knows. */
  readonly scope?: JsonMap;
  /** For people: the project, or what stands for it. */
  readonly project?: string;
  readonly region?: string;
  readonly interface: 'public' | 'internal' | 'admin';
  /** Of the image service, in the place of the catalog's. */
  readonly endpointOverride?: string;
  /** PEM. */
  readonly ca?: string;
  readonly caFile?: string;
  readonly isInsecure: boolean;
}

export interface Login {
  readonly method: 'password' | 'application_credential' | 'token';
  /** `identity` of the request but for its secret: says whose it is. */
  readonly who: JsonMap;
  readonly secret: string;
}

export interface JsonMap {
  readonly [key: string]: string | boolean | JsonMap;
}

export interface CloudChoice extends CloudRequest {
  /** `register.region`. */
  readonly region?: string;
  /** `register.interface`. */
  readonly interface?: string;
}

/** Reads the credentials of the cloud that is meant. Throws `FgError` CREDENTIALS_MISSING. */
export function readCloud(choice: CloudChoice): Cloud {
  const found = findCloud(choice);
  const {settings, source} = found;
  const authUrl = identityUrl(required(found, 'auth_url'), source);
  const type = authType(found);
  const login = loginOf(type, found);
  const scope = type === 'application_credential' ? undefined : scopeOf(found);
  const region = choice.region ?? textOf(settings['region_name']) ?? firstRegion(settings['regions']);
  const override = textOf(settings['image_endpoint_override']) ?? textOf(settings['image_endpoint']);
  const project = projectLabel(found);
  const isInsecure = isFalse(settings['verify']) || isTrue(settings['insecure']);
  const tls = isInsecure ? {} : caOf(found, choice);
  return {
    source,
    authUrl,
    login,
    interface: interfaceOf(
      choice.interface ??
        textOf(settings['image_interface']) ??
        textOf(settings['interface']) ??
        textOf(settings['endpoint_type']),
      source,
    ),
    isInsecure,
    ...tls,
    ...(scope === undefined ? {} : {scope}),
    ...(project === undefined ? {} : {project}),
    ...(region === undefined ? {} : {region}),
    ...(override === undefined ? {} : {endpointOverride: override}),
  };
}

type AuthType = Login['method'];

/** Names that keystoneauth gives its plugins. */
const authTypes: Readonly<Record<string, AuthType>> = {
  password: 'password',
  v3password: 'password',
  token: 'token',
  v3token: 'token',
  v3applicationcredential: 'application_credential',
};

function authType({settings, auth, source}: CloudSettings): AuthType {
  const given = textOf(settings['auth_type']);
  if (given === undefined) {
    if (auth['application_credential_secret'] !== undefined) return 'application_credential';
    return auth['token'] !== undefined && auth['password'] === undefined ? 'token' : 'password';
  }
  const type = authTypes[given];
  if (type !== undefined) return type;
  throw new FgError(
    'CREDENTIALS_MISSING',
    `${source} has auth_type ${printable(given)}, which fgimage does not know`,
    {
      hint: `Use password, v3applicationcredential or token; for other logins, make an application credential: openstack application credential create fgimage`,
    },
  );
}

function loginOf(method: AuthType, found: CloudSettings): Login {
  switch (method) {
    case 'password':
      return {method, who: {password: {user: userOf(found)}}, secret: required(found, 'password')};
    case 'token':
      return {method, who: {token: {}}, secret: required(found, 'token')};
    case 'application_credential': {
      const id = textOf(found.auth['application_credential_id']);
      const who =
        id === undefined
          ? {
              name: required(found, 'application_credential_name', 'application_credential_id'),
              user: userOf(found),
            }
          : {id};
      return {
        method,
        who: {application_credential: who},
        secret: required(found, 'application_credential_secret'),
      };
    }
  }
}

function userOf(found: CloudSettings): JsonMap {
  const id = textOf(found.auth['user_id']);
  if (id !== undefined) return {id};
  return {name: required(found, 'username'), domain: domainOf(found, 'user_domain')};
}

/** keystoneauth's fallback: the domain with the id `default`. */
function domainOf({auth}: CloudSettings, prefix: 'user_domain' | 'project_domain'): JsonMap {
  for (const from of [prefix, 'default_domain']) {
    const id = textOf(auth[`${from}_id`]);
    if (id !== undefined) return {id};
    const name = textOf(auth[`${from}_name`]);
    if (name !== undefined) return {name};
  }
  return {id: 'default'};
}

function scopeOf(found: CloudSettings): JsonMap | undefined {
  const {auth} = found;
  const id = textOf(auth['project_id']) ?? textOf(auth['tenant_id']);
  if (id !== undefined) return {project: {id}};
  const name = textOf(auth['project_name']) ?? textOf(auth['tenant_name']);
  if (name !== undefined) return {project: {name, domain: domainOf(found, 'project_domain')}};
  return undefined;
}

function projectLabel({auth, cloud, settings}: CloudSettings): string | undefined {
  for (const name of ['project_name', 'tenant_name', 'project_id', 'tenant_id']) {
    const value = textOf(auth[name]);
    if (value !== undefined) return `project ${printable(value)}`;
  }
  if (cloud !== undefined) return `cloud ${printable(cloud)}`;
  const credential = textOf(settings['application_credential_id']);
  return credential === undefined ? undefined : `application credential ${printable(credential)}`;
}

/** A setting that has to be there. */
function required({auth, source, cloud}: CloudSettings, name: string, or?: string): string {
  const value = textOf(auth[name]);
  if (value !== undefined) return value;
  const names = or === undefined ? name : `${name} or ${or}`;
  throw new FgError('CREDENTIALS_MISSING', `${source} has no ${names}`, {
    hint:
      cloud === undefined
        ? `Set OS_${name.toUpperCase()}, or source the openrc file of your project`
        : `Write it under auth: in that file or, if it is a secret, in secure.yaml beside it`,
  });
}

function identityUrl(text: string, source: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new FgError('CREDENTIALS_MISSING', `auth_url of ${source} is no web address: ${printable(text)}`, {
      hint: 'Write it as https://cloud.example.org:5000/v3',
    });
  }
  const path = url.pathname.replace(/\/+$/, '').replace(/\/v[0-9.]+$/, '');
  return `${url.origin}${path}/v3`;
}

function interfaceOf(text: string | undefined, source: string): Cloud['interface'] {
  const name = (text ?? 'public').replace(/URL$/, '');
  if (name === 'public' || name === 'internal' || name === 'admin') return name;
  throw new FgError('CREDENTIALS_MISSING', `interface of ${source} is ${printable(name)}`, {
    hint: 'Use public, internal or admin',
  });
}

function firstRegion(regions: unknown): string | undefined {
  const first: unknown = Array.isArray(regions) ? regions[0] : undefined;
  return typeof first === 'object' && first !== null && 'name' in first ? textOf(first.name) : textOf(first);
}

function caOf(
  {settings, source}: CloudSettings,
  {projectDir, env}: CloudRequest,
): {readonly ca?: string; readonly caFile?: string} {
  const named = textOf(settings['cacert']);
  if (named === undefined) return {};
  const caFile = named.startsWith('~/') ? join(homeOf(env), named.slice(2)) : resolve(projectDir, named);
  try {
    const ca = readFileSync(caFile, 'utf8');
    if (ca.includes('-----BEGIN CERTIFICATE-----')) return {ca, caFile};
  } catch (error) {
    const reason = error instanceof Error ? printable(error.message) : '';
    throw new FgError('CREDENTIALS_MISSING', `Cannot read cacert of ${source}: ${reason}`, {
      cause: error,
      hint: 'Name a file of PEM certificates that is there and that you may read',
    });
  }
  throw new FgError('CREDENTIALS_MISSING', `cacert of ${source} holds no certificate: ${caFile}`, {
    hint: 'It has to be a bundle of certificates in PEM form',
  });
}

function isTrue(value: unknown): boolean {
  return /^(true|yes|on|1)$/i.test(textOf(value) ?? '');
}

function isFalse(value: unknown): boolean {
  return /^(false|no|off|0)$/i.test(textOf(value) ?? '');
}
