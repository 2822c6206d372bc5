import {FgError} from '../../src/errors.ts';
import {discard, type FileBody} from '../../src/http/client.ts';
import {printable} from '../../src/ui/format.ts';
import {markNames} from '../registrar.ts';
import {fieldOf, jsonOf, listOf, type Refusal, refusalOf, textAt} from './answer.ts';
import {markTag, type PatchOperation, type RawImage} from './properties.ts';
import {refusal, type Session} from './session.ts';

/** The calls of the Image service API v2 that a registration needs. */
export class Glance {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  get signal(): AbortSignal {
    return this.#session.signal;
  }

  async projectId(): Promise<string> {
    return (await this.#session.grant()).projectId;
  }

  /** Our project's images with our mark of a lineage; those that are hidden are a list of their own. */
  async list(lineage: string, {isHidden}: {readonly isHidden: boolean}): Promise<readonly RawImage[]> {
    const query = new URLSearchParams({
      // Whoever publishes an image could give it our mark.
      owner: await this.projectId(),
      tag: markTag,
      [markNames.lineage]: lineage,
      limit: '200',
      ...(isHidden && {os_hidden: 'true'}),
    });
    const images: RawImage[] = [];
    for (let path: string | undefined = `/images?${query.toString()}`; path !== undefined; ) {
      const page = await this.#session.json({method: 'GET', path}, 'Cannot list images');
      images.push(...imagesOf(page));
      const next = fieldOf(page, 'next');
      path = typeof next === 'string' && next.startsWith('/v2/') ? next.slice('/v2'.length) : undefined;
    }
    return images;
  }

  /** Undefined where it is gone, or nobody's whom we may see. */
  async get(id: string): Promise<RawImage | undefined> {
    const response = await this.#session.send({method: 'GET', path: pathOf(id)});
    if (response.status === 404) {
      discard(response);
      return undefined;
    }
    if (response.status !== 200) throw refusal(`Cannot look at image ${id}`, await refusalOf(response));
    return rawOf(await jsonOf(response, 'Glance', this.signal));
  }

  /** Makes an image; undefined where its id is taken, if only by one that was deleted. */
  async create(
    body: Readonly<Record<string, unknown>>,
  ): Promise<{readonly image: RawImage; readonly methods: readonly string[]} | undefined> {
    // The id is ours: a second try finds the first.
    const response = await this.#session.send({method: 'POST', path: '/images', json: body, isSafe: true});
    if (response.status === 409) {
      discard(response);
      return undefined;
    }
    if (response.status !== 201) throw refusal('Cannot make an image', await refusalOf(response));
    const header = response.headers['openstack-image-import-methods'];
    const methods = typeof header === 'string' ? header.split(',').map((name) => name.trim()) : [];
    return {image: rawOf(await jsonOf(response, 'Glance', this.signal)), methods};
  }

  /** How the service takes data beside `PUT …/file`. */
  async importMethods(): Promise<readonly string[]> {
    const response = await this.#session.send({method: 'GET', path: '/info/import'});
    if (response.status !== 200) {
      discard(response);
      return [];
    }
    const info = await jsonOf(response, 'Glance', this.signal);
    const methods = fieldOf(fieldOf(info, 'import-methods'), 'value');
    return Array.isArray(methods) ? methods.map(String) : [];
  }

  async patch(id: string, operations: readonly PatchOperation[]): Promise<RawImage> {
    const call = {
      method: 'PATCH',
      path: pathOf(id),
      headers: {'content-type': 'application/openstack-images-v2.1-json-patch'},
      json: operations,
    } as const;
    return rawOf(await this.#session.json(call, `Cannot change image ${id}`, [200]));
  }

  /** Gone is fine; false: it is protected. */
  async remove(id: string): Promise<boolean> {
    const response = await this.#session.send({method: 'DELETE', path: pathOf(id)});
    if (response.status === 204 || response.status === 404) {
      discard(response);
      return true;
    }
    const said = await refusalOf(response);
    if (said.status === 403 && /protected/i.test(said.words)) return false;
    throw refusal(`Cannot take image ${id} away`, said);
  }

  /** Sends the data: for good (`file`), or for an import (`stage`). Throws a `ConflictError` where the image takes none. */
  async send(id: string, place: 'file' | 'stage', body: FileBody): Promise<void> {
    const response = await this.#session.send({
      method: 'PUT',
      path: `${pathOf(id)}/${place}`,
      headers: {
        'content-type': 'application/octet-stream',
        // Since 2025.2, Glance holds what arrives against it.
        'x-openstack-image-size': String(body.sizeBytes),
        expect: '100-continue',
      },
      body,
    });
    if (response.status === 204) return discard(response);
    const said = await refusalOf(response);
    const what = `Image ${id} cannot be uploaded`;
    throw said.status === 409 ? new ConflictError(what, said) : refusal(what, said);
  }

  async importStaged(id: string): Promise<void> {
    const json = {method: {name: 'glance-direct'}};
    await this.#session.json(
      {method: 'POST', path: `${pathOf(id)}/import`, json},
      `Image ${id} cannot be imported`,
      [202],
    );
  }

  /** What a task of an image says that failed (since Wallaby, where the policy allows it). */
  async failure(id: string): Promise<string | undefined> {
    const response = await this.#session.send({method: 'GET', path: `${pathOf(id)}/tasks`});
    if (response.status !== 200) {
      discard(response);
      return undefined;
    }
    const tasks = fieldOf(await jsonOf(response, 'Glance', this.signal), 'tasks');
    const failed = listOf(tasks).findLast((task) => fieldOf(task, 'status') === 'failure');
    if (failed === undefined) return undefined;
    const message = fieldOf(failed, 'message');
    return typeof message === 'string' && message !== ''
      ? printable(message.replaceAll(/\s+/g, ' '))
      : 'a task of it failed';
  }

  /** Projects that an image is shared with, and whether they have accepted it; none where it is gone. */
  async members(id: string): Promise<ReadonlyMap<string, string>> {
    const response = await this.#session.send({method: 'GET', path: `${pathOf(id)}/members`});
    if (response.status === 404 || response.status === 403) {
      discard(response);
      return new Map();
    }
    if (response.status !== 200)
      throw refusal(`Cannot ask for the members of image ${id}`, await refusalOf(response));
    const members = fieldOf(await jsonOf(response, 'Glance', this.signal), 'members');
    return new Map(listOf(members).map((member) => [textAt(member, 'member_id'), textAt(member, 'status')]));
  }

  async addMember(id: string, project: string): Promise<void> {
    const call = {
      method: 'POST',
      path: `${pathOf(id)}/members`,
      json: {member: project},
      isSafe: true,
    } as const;
    const response = await this.#session.send(call);
    if (response.status !== 200 && response.status !== 409)
      throw refusal(`Image ${id} cannot be shared with ${printable(project)}`, await refusalOf(response));
    discard(response);
  }

  async removeMember(id: string, project: string): Promise<void> {
    const path = `${pathOf(id)}/members/${encodeURIComponent(project)}`;
    const response = await this.#session.send({method: 'DELETE', path});
    if (response.status !== 204 && response.status !== 404) {
      throw refusal(
        `${printable(project)} cannot be taken from the members of image ${id}`,
        await refusalOf(response),
      );
    }
    discard(response);
  }
}

/** An image is in no state for what was asked of it: it has to be looked at again. */
export class ConflictError extends FgError {
  constructor(what: string, {words}: Refusal) {
    super('REMOTE_REFUSED', `${what}: Glance answers 409: ${words}`);
    this.name = 'ConflictError';
  }
}

function pathOf(id: string): string {
  return `/images/${encodeURIComponent(id)}`;
}

function imagesOf(page: unknown): readonly RawImage[] {
  const images = fieldOf(page, 'images');
  return Array.isArray(images) ? images.map(rawOf) : [];
}

function rawOf(value: unknown): RawImage {
  return typeof value === 'object' && value !== null ? (value as RawImage) : {};
}
