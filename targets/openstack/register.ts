import {FgError} from '../../src/errors.ts';
import {nearest} from '../../src/spec/nearest.ts';
import {printable} from '../../src/ui/format.ts';
import type {
  Artifact,
  CreateProgress,
  PropertyChange,
  Registrar,
  RegistrarRequest,
  RemoteImage,
  RemoteProperties,
} from '../registrar.ts';
import {textAt} from './answer.ts';
import {type Cloud, readCloud} from './credentials.ts';
import {Glance} from './glance.ts';
import {imageId} from './image-id.ts';
import {
  creationBody,
  foundProperties,
  managedBy,
  managedList,
  managedName,
  markOf,
  membersName,
  membersOf,
  patchOf,
  type RawImage,
  registerOf,
  unverifiedName,
  wantedProperties,
} from './properties.ts';
import {knownProperties} from './reserved.ts';
import {Session} from './session.ts';
import {bringToActive, statusOf, type UploadTiming, usualTiming} from './upload.ts';

/** Registers disks with Glance (Image service API v2) for the project of an OpenStack credential. */
export function openRegistrar(request: RegistrarRequest): Promise<Registrar> {
  return openGlanceRegistrar(request, usualTiming);
}

export async function openGlanceRegistrar(
  request: RegistrarRequest,
  timing: UploadTiming,
): Promise<Registrar> {
  const {options, projectDir, env, signal, warn} = request;
  const register = registerOf(options);
  const {cloud: name, region, interface: face} = register;
  const cloud = readCloud({
    projectDir,
    env,
    ...(typeof name === 'string' && {cloud: name}),
    ...(typeof region === 'string' && {region}),
    ...(typeof face === 'string' && {interface: face}),
  });
  if (cloud.isInsecure) {
    warn(
      `The certificates of ${cloud.source} are not verified: whoever is on the way can read the credentials`,
      'Name the bundle with its CA as cacert in the place of verify: false',
    );
  }
  warnOfSlips(register['properties'], warn);
  return Promise.resolve(
    new GlanceRegistrar(request, {cloud, timing, glance: new Glance(new Session(cloud, {env, signal}))}),
  );
}

interface Parts {
  readonly cloud: Cloud;
  readonly timing: UploadTiming;
  readonly glance: Glance;
}

class GlanceRegistrar implements Registrar {
  readonly endpoint: string;
  readonly properties: RemoteProperties;
  readonly hasUniqueNames = false;
  readonly #request: RegistrarRequest;
  readonly #timing: UploadTiming;
  readonly #glance: Glance;
  readonly #members: readonly string[] | undefined;

  constructor(request: RegistrarRequest, {cloud, timing, glance}: Parts) {
    this.#request = request;
    this.#timing = timing;
    this.#glance = glance;
    this.#members = membersOf(registerOf(request.options));
    this.endpoint = endpointOf(cloud);
    this.properties = wantedProperties(request.image, request.options, request.name);
  }

  /** One question; beside it, at the same time, one for hidden images and one for members where they may matter. */
  async find(): Promise<readonly RemoteImage[]> {
    const {mark, options} = this.#request;
    const register = registerOf(options);
    const mayBeHidden = register['deprecate_after'] !== undefined || register['hidden'] === true;
    // The first id that an image of this digest gets: with it, its members can be asked for before it is known.
    const likelyId = imageId(await this.#glance.projectId(), mark, 0);
    const [visible, hidden, likelyMembers] = await Promise.all([
      this.#glance.list(mark.lineage, {isHidden: false}),
      mayBeHidden ? this.#glance.list(mark.lineage, {isHidden: true}) : [],
      this.#members === undefined ? undefined : this.#glance.members(likelyId),
    ]);
    const remotes: RemoteImage[] = [];
    for (const raw of [...visible, ...hidden]) {
      const isCurrent = markOf(raw)?.digest === mark.digest;
      const known = raw['id'] === likelyId ? likelyMembers : undefined;
      remotes.push(isCurrent ? revived(raw, await this.#withMembers(raw, known)) : this.#remoteOf(raw));
    }
    return remotes;
  }

  async get(id: string): Promise<RemoteImage | undefined> {
    const raw = await this.#glance.get(id);
    if (raw === undefined) return undefined;
    const remote = await this.#withMembers(raw);
    if (remote.health === 'ready' || remote.reason !== undefined) return remote;
    const reason = await this.#glance.failure(id);
    return {...remote, ...(reason !== undefined && {reason})};
  }

  async create(artifact: Artifact, progress: CreateProgress, unfinished?: RemoteImage): Promise<RemoteImage> {
    const {options, mark, warn} = this.#request;
    const left = unfinished === undefined ? undefined : await this.#glance.get(unfinished.id);
    if (left !== undefined) progress.begun(String(left['id']));
    const raw = await bringToActive(
      {
        glance: this.#glance,
        artifact,
        progress,
        mark,
        body: {...creationBody(this.properties), [managedName]: managedList(this.properties)},
        method: methodOf(registerOf(options)['method']),
        timing: this.#timing,
        warn,
      },
      left,
    );
    const found = revived(raw, await this.#withMembers(raw));
    const remote = await this.#change(raw, differences(found.properties, this.properties));
    const pending = Object.entries(remote.belongings ?? {}).filter(([, status]) => status !== 'accepted');
    for (const [key] of pending) {
      const project = key.slice(memberPrefix.length);
      progress.report(`${project} finds the image after: openstack image set --accept ${remote.id}`);
    }
    return remote;
  }

  async update(remote: RemoteImage, changes: readonly PropertyChange[]): Promise<RemoteImage> {
    const raw = await this.#glance.get(remote.id);
    if (raw === undefined) {
      throw new FgError('REMOTE_REFUSED', `Image ${remote.id} was deleted meanwhile`, {
        hint: 'Run "fgimage register" again: it makes another one',
      });
    }
    return this.#change(raw, changes);
  }

  async remove(remote: RemoteImage): Promise<void> {
    const {id} = remote;
    if (await this.#glance.remove(id)) return;
    const raw = await this.#glance.get(id);
    if (raw === undefined) return;
    if (!managedBy(raw).includes('protected')) {
      throw new FgError('REMOTE_REFUSED', `Image ${id} is protected, and not by fgimage`, {
        hint: `Ask whoever protected it, or lift it with: openstack image set --unprotect ${id}`,
      });
    }
    await this.#glance.patch(id, patchOf(raw, [{name: 'protected', to: 'false'}]));
    if (await this.#glance.remove(id)) return;
    throw new FgError('REMOTE_REFUSED', `Image ${id} stays protected`);
  }

  async deprecate(remote: RemoteImage): Promise<void> {
    await this.#glance.patch(remote.id, [{op: 'replace', path: '/os_hidden', value: true}]);
  }

  /** Changes what differs, takes the note away that the image is not verified, and reads everything back. */
  async #change(raw: RawImage, changes: readonly PropertyChange[]): Promise<RemoteImage> {
    const id = String(raw['id']);
    const operations = patchOf(raw, changes);
    const list = managedList(this.properties);
    if (raw[managedName] !== list) operations.push(...patchOf(raw, [{name: managedName, to: list}]));
    if (raw[unverifiedName] !== undefined) operations.push(...patchOf(raw, [{name: unverifiedName}]));
    const written = operations.length === 0 ? raw : await this.#glance.patch(id, operations);
    await this.#share(id);
    const now = await this.#withMembers(written);
    const left = differences(now.properties, this.properties);
    if (left.length === 0) return now;
    const words = left.map(({name, from, to}) => `${name} is ${from ?? 'not there'} and not ${to ?? 'gone'}`);
    throw new FgError(
      'REMOTE_REFUSED',
      `Glance did not keep what image ${id} was given: ${printable(words.join(', '))}`,
      {
        hint: 'Property protections or import plugins of the cloud may change it: take these out of register.properties',
      },
    );
  }

  /** Makes the members those that the spec names. */
  async #share(id: string): Promise<void> {
    if (this.#members === undefined) return;
    const there = await this.#glance.members(id);
    for (const project of this.#members) if (!there.has(project)) await this.#glance.addMember(id, project);
    for (const project of there.keys())
      if (!this.#members.includes(project)) await this.#glance.removeMember(id, project);
  }

  async #withMembers(raw: RawImage, known?: ReadonlyMap<string, string>): Promise<RemoteImage> {
    const remote = this.#remoteOf(raw);
    if (this.#members === undefined) return remote;
    const members = known ?? (await this.#glance.members(remote.id));
    const projects = [...members.keys()].toSorted();
    return {
      ...remote,
      properties: {...remote.properties, [membersName]: projects.join(',')},
      belongings: Object.fromEntries(
        projects.map((one) => [`${memberPrefix}${one}`, members.get(one) ?? '']),
      ),
    };
  }

  #remoteOf(raw: RawImage): RemoteImage {
    const mark = markOf(raw);
    const createdAt = Date.parse(String(raw['created_at']));
    return {
      id: String(raw['id']),
      name: textAt(raw, 'name'),
      status: statusOf(raw),
      properties: foundProperties(raw, this.properties),
      deprecated: raw['os_hidden'] === true,
      ...healthOf(raw),
      ...(mark !== undefined && {mark}),
      ...(!Number.isNaN(createdAt) && {createdAt}),
    };
  }
}

const memberPrefix = 'member:';

/** An image that was superseded, and is wanted again: it is not to stay hidden where the spec does not say so. */
function revived(raw: RawImage, remote: RemoteImage): RemoteImage {
  if (raw['os_hidden'] !== true) return remote;
  return {...remote, properties: {...remote.properties, os_hidden: 'true'}};
}

/** Image statuses of the API's description. */
function healthOf(raw: RawImage): Pick<RemoteImage, 'health' | 'reason'> {
  switch (raw['status']) {
    case 'active':
      return {health: raw[unverifiedName] === undefined ? 'ready' : 'pending'};
    case 'queued':
    case 'saving':
    case 'uploading':
    case 'importing':
      return {health: 'pending'};
    case 'deactivated':
      return {health: 'broken', reason: 'an administrator has deactivated it'};
    default:
      return {health: 'broken'};
  }
}

function differences(found: RemoteProperties, wanted: RemoteProperties): readonly PropertyChange[] {
  const names = [...new Set([...Object.keys(found), ...Object.keys(wanted)])];
  return names.flatMap((name) => {
    const [from, to] = [found[name], wanted[name]];
    if (from === to) return [];
    return [{name, ...(from !== undefined && {from}), ...(to !== undefined && {to})}];
  });
}

function methodOf(method: unknown): 'auto' | 'upload' | 'import' {
  return method === 'upload' || method === 'import' ? method : 'auto';
}

/** Keystone's address and whose images are meant there: the same for every credential of a project. */
function endpointOf({authUrl, project, region, endpointOverride}: Cloud): string {
  const place = [project, region === undefined ? undefined : `region ${printable(region)}`, endpointOverride];
  const words = place.filter((part) => part !== undefined);
  return words.length === 0 ? authUrl : `${authUrl} (${words.join(', ')})`;
}

/** Nova passes over properties that it does not know, and nobody ever hears of it. */
function warnOfSlips(properties: unknown, warn: RegistrarRequest['warn']): void {
  if (typeof properties !== 'object' || properties === null) return;
  for (const name of Object.keys(properties)) {
    if (!/^(hw|os|img|vmware)_/.test(name) || knownProperties.includes(name)) continue;
    const near = nearest(name, knownProperties);
    if (near !== undefined) {
      warn(`register.properties has ${printable(name)}, which Nova does not know`, `Did you mean ${near}?`);
    }
  }
}
