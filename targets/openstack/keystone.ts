import {FgError} from '../../src/errors.ts';
import type {HttpClient} from '../../src/http/client.ts';
import {withRetries} from '../../src/http/retry.ts';
import {nearest} from '../../src/spec/nearest.ts';
import {printable} from '../../src/ui/format.ts';
import {fieldOf, jsonOf, listOf, refusalOf, textAt} from './answer.ts';
import type {Cloud, JsonMap} from './credentials.ts';
import type {Grant} from './grant-cache.ts';

/** Asks Keystone for a token (Identity API v3, `POST /v3/auth/tokens`), and finds the image service in its catalog. */
export async function authenticate(cloud: Cloud, client: HttpClient, signal: AbortSignal): Promise<Grant> {
  const url = new URL(`${cloud.authUrl}/auth/tokens`);
  const body = Buffer.from(JSON.stringify(requestOf(cloud)));
  const headers = {'content-type': 'application/json', accept: 'application/json'};
  // A second token does no harm.
  const response = await withRetries(
    () => client.send({method: 'POST', url, headers, body, signal, redirects: 'refuse'}),
    {signal},
  );
  if (response.status !== 201 && response.status !== 200) {
    const {status, words} = await refusalOf(response);
    throw refused(cloud, status, words);
  }
  const token = response.headers['x-subject-token'];
  const answer = fieldOf(await jsonOf(response, 'Keystone', signal), 'token');
  const expiresAt = Date.parse(textAt(answer, 'expires_at'));
  if (typeof token !== 'string' || Number.isNaN(expiresAt))
    throw notKeystone(cloud, 'an answer without a token');
  const projectId = fieldOf(fieldOf(answer, 'project'), 'id');
  if (typeof projectId !== 'string') {
    throw new FgError(
      'CREDENTIALS_MISSING',
      `${cloud.source} names no project, and its user has none by default`,
      {
        hint: 'Write project_name and project_domain_name, or project_id',
      },
    );
  }
  return {token, expiresAt, projectId, imageUrl: imageUrl(cloud, endpointsOf(fieldOf(answer, 'catalog')))};
}

function requestOf({login, scope}: Cloud): unknown {
  const identity = {methods: [login.method], ...withSecret(login)};
  return {auth: {identity, ...(scope !== undefined && {scope})}};
}

function withSecret({method, who, secret}: Cloud['login']): object {
  switch (method) {
    case 'password':
      return {password: {user: {...mapAt(mapAt(who, 'password'), 'user'), password: secret}}};
    case 'application_credential':
      return {application_credential: {...mapAt(who, 'application_credential'), secret}};
    case 'token':
      return {token: {id: secret}};
  }
}

function mapAt(map: JsonMap, name: string): JsonMap {
  const value = map[name];
  return typeof value === 'object' ? value : {};
}

const refusalHints: Readonly<Record<Cloud['login']['method'], string>> = {
  password: 'Check username, password, project and their domains',
  application_credential:
    'It may be mistyped, expired or deleted: "openstack application credential list" tells; make another one',
  token: 'Tokens live some hours only: take a new one, or use an application credential',
};

function refused(cloud: Cloud, status: number, words: string): FgError {
  const {source, authUrl, login} = cloud;
  // Of an application credential that was deleted, Keystone says that it could not find it.
  if (status === 401 || status === 403 || (status === 404 && words.startsWith('Could not find'))) {
    return new FgError('REMOTE_REFUSED', `Keystone does not accept the credentials of ${source}: ${words}`, {
      hint: refusalHints[login.method],
    });
  }
  if (status >= 300 && status < 400) return notKeystone(cloud, 'it redirects to another address');
  if (status === 404 || status === 405) return notKeystone(cloud, `${status} ${words}`);
  return new FgError('REMOTE_REFUSED', `Keystone at ${authUrl} answers ${status}: ${words}`);
}

function notKeystone({authUrl, source}: Cloud, answer: string): FgError {
  return new FgError('REMOTE_REFUSED', `There is no Keystone v3 at ${authUrl}: ${printable(answer)}`, {
    hint: `Check auth_url of ${source}`,
  });
}

interface Endpoint {
  readonly type: string;
  readonly interface: string;
  readonly region: string;
  readonly url: string;
}

function endpointsOf(catalog: unknown): readonly Endpoint[] {
  return listOf(catalog).flatMap((service) =>
    listOf(fieldOf(service, 'endpoints')).map((endpoint) => ({
      type: textAt(service, 'type'),
      interface: textAt(endpoint, 'interface'),
      region: textAt(endpoint, 'region_id') || textAt(endpoint, 'region'),
      url: textAt(endpoint, 'url'),
    })),
  );
}

/** The address of the image service for the chosen region and interface, with `/v2`. */
function imageUrl(cloud: Cloud, endpoints: readonly Endpoint[]): string {
  if (cloud.endpointOverride !== undefined) return versioned(cloud.endpointOverride, cloud.source);
  const images = endpoints.filter(({type}) => type === 'image');
  if (images.length === 0) {
    throw new FgError('REMOTE_REFUSED', `The catalog of ${cloud.source} has no image service`, {
      hint: 'Name it with image_endpoint_override, or ask whoever runs the cloud',
    });
  }
  const regions = [...new Set(images.map(({region}) => region))].sort();
  const {region} = cloud;
  if (region === undefined && regions.length > 1) {
    throw new FgError(
      'CREDENTIALS_MISSING',
      `${cloud.source} has image services in several regions, and none is chosen: ${regions.map(printable).join(', ')}`,
      {hint: 'Choose one with register.region, region_name or OS_REGION_NAME'},
    );
  }
  const here = region === undefined ? images : images.filter((one) => one.region === region);
  if (here.length === 0) throw noRegion(cloud, regions);
  const found = here.find((one) => one.interface === cloud.interface);
  if (found === undefined) {
    const others = [...new Set(here.map((one) => printable(one.interface)))].join(', ');
    throw new FgError(
      'REMOTE_REFUSED',
      `The image service of ${cloud.source} has no ${cloud.interface} endpoint`,
      {
        hint: `Choose one with register.interface: ${others}`,
      },
    );
  }
  return versioned(found.url, cloud.source);
}

function noRegion({source, region = ''}: Cloud, regions: readonly string[]): FgError {
  const near = nearest(region, regions);
  const all = `It has one in ${regions.map(printable).join(', ')}`;
  return new FgError('REMOTE_REFUSED', `${source} has no image service in region ${printable(region)}`, {
    hint: near === undefined ? all : `Did you mean ${printable(near)}? ${all}`,
  });
}

function versioned(text: string, source: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new FgError(
      'CREDENTIALS_MISSING',
      `The image service of ${source} has no web address: ${printable(text)}`,
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '').replace(/\/v[0-9.]+$/, '')}/v2`;
}
