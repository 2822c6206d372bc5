import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {openCatalog} from '../../../src/catalog/database.ts';
import {Registrations} from '../../../src/catalog/registrations.ts';
import {FgError} from '../../../src/errors.ts';
import {RemoteError} from '../../../src/http/error.ts';
import {performRegistration, registrationError} from '../../../src/register/perform.ts';
import {planRegistration, type RegistrationTask} from '../../../src/register/registration.ts';
import type {JsonObject} from '../../../src/spec/image.ts';
import type {Artifact, Registrar, RegistrarRequest, RemoteImage} from '../../../targets/registrar.ts';
import {image} from '../../rig/images.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const digest = 'd'.repeat(64);
const lineage = 'lab/web/cloud';
const artifact: Artifact = {folder: '/nowhere', file: 'disk.raw', format: 'raw', files: []};

/** An infrastructure in memory. */
class Cloud {
  readonly images = new Map<string, RemoteImage>();
  readonly calls: string[] = [];
  readonly properties: Record<string, string> = {arch: 'x86_64'};
  /** What happens after something was begun. */
  inCreate: (signal: AbortSignal) => Promise<void> = () => Promise.resolve();

  open(request: RegistrarRequest): Registrar {
    const {name, mark, signal} = request;
    const properties = {...this.properties};
    return {
      endpoint: 'https://cloud.example.org',
      properties,
      hasUniqueNames: false,
      find: () => this.#call('find', [...this.images.values()]),
      get: (id) => this.#call(`get ${id}`, this.images.get(id)),
      create: async (_artifact, {begun, report}, unfinished) => {
        const id = unfinished?.id ?? `image-${this.images.size + 1}`;
        this.calls.push(unfinished === undefined ? `create ${name}` : `finish ${id}`);
        const pending: RemoteImage = {id, name, mark, health: 'pending', status: 'saving', properties};
        this.images.set(id, pending);
        begun(id, {snapshot: 's-1'});
        report('Uploading', 0.5);
        await this.inCreate(signal);
        const ready: RemoteImage = {...pending, health: 'ready', status: 'active'};
        this.images.set(id, ready);
        return ready;
      },
      update: (remote) => {
        const updated = {...remote, properties};
        this.images.set(remote.id, updated);
        return this.#call(`update ${remote.id}`, updated);
      },
      remove: ({id}) => {
        this.images.delete(id);
        return this.#call(`remove ${id}`, undefined);
      },
      deprecate: ({id}) => this.#call(`deprecate ${id}`, undefined),
    };
  }

  #call<T>(call: string, value: T): Promise<T> {
    this.calls.push(call);
    return Promise.resolve(value);
  }
}

let folder: TemporaryFolder;
let catalog: ReturnType<typeof openCatalog>;
let registrations: Registrations;
let cloud: Cloud;
let warnings: string[];

beforeEach(() => {
  folder = new TemporaryFolder();
  catalog = openCatalog(folder.join('catalog.db'));
  registrations = new Registrations(catalog);
  cloud = new Cloud();
  warnings = [];
});

afterEach(() => {
  catalog.close();
  folder[Symbol.dispose]();
});

function task(register: JsonObject = {}, parts: Partial<RegistrationTask> = {}): RegistrationTask {
  return {
    image: image(),
    target: 'cloud',
    type: 'cloud',
    options: {register},
    digest,
    lineage,
    usualName: '{image}',
    openRegistrar: () => Promise.resolve((request) => Promise.resolve(cloud.open(request))),
    projectDir: '/project',
    ...parts,
  };
}

async function register(one: RegistrationTask, signal = new AbortController().signal) {
  const warn = (message: string): void => void warnings.push(message);
  const places = {registrations, env: {}, warn};
  const plan = await planRegistration(one, places, signal);
  const options = {places, signal, artifact: () => Promise.resolve(artifact), report: () => undefined};
  return performRegistration(plan, options);
}

const rows = () => registrations.list().map(({state, remoteId, reason}) => ({state, remoteId, reason}));

describe('performRegistration()', () => {
  it('creates what is not there, and notes it', async () => {
    await expect(register(task())).resolves.toMatchObject({did: 'created', id: 'image-1', name: 'web'});
    expect(cloud.calls).toEqual(['find', 'create web']);
    expect(registrations.list()).toMatchObject([
      {state: 'registered', remoteId: 'image-1', digest, lineage, endpoint: 'https://cloud.example.org'},
    ]);
  });

  it('does nothing with one round trip where it is there', async () => {
    await register(task());
    cloud.calls.length = 0;
    await expect(register(task())).resolves.toMatchObject({did: 'kept', id: 'image-1'});
    expect(cloud.calls).toEqual(['find']);
    expect(rows()).toHaveLength(1);
  });

  it('enters what another machine has registered', async () => {
    await register(task());
    catalog.exec('DELETE FROM registrations');
    await expect(register(task())).resolves.toMatchObject({did: 'kept'});
    expect(rows()).toEqual([{state: 'registered', remoteId: 'image-1', reason: undefined}]);
  });

  it('updates in place, and says what', async () => {
    await register(task());
    cloud.properties['arch'] = 'arm64';
    await expect(register(task())).resolves.toMatchObject({
      did: 'updated',
      changes: [{name: 'arch', from: 'x86_64', to: 'arm64'}],
    });
    expect(registrations.list()).toMatchObject([{properties: {arch: 'arm64'}}]);
  });

  it('notes as gone what somebody deleted, and makes it again', async () => {
    await register(task());
    cloud.images.clear();
    await register(task());
    expect(rows().map(({state}) => state)).toEqual(['registered', 'gone']);
  });

  it('retires old ones after the new one is there', async () => {
    await register(task({}, {digest: 'a'.repeat(64)}));
    await expect(register(task({replace: true}))).resolves.toMatchObject({
      did: 'created',
      removed: [{id: 'image-1', name: 'web', why: 'superseded'}],
    });
    expect(cloud.calls.slice(-2)).toEqual(['create web', 'remove image-1']);
    expect(rows().map(({state}) => state)).toEqual(['registered', 'removed']);
  });

  it('goes on with what a lost connection left, and asks for no second row', async () => {
    cloud.inCreate = () => Promise.reject(new RemoteError('unreachable', 'The cloud broke off'));
    await expect(register(task())).rejects.toThrow('The cloud broke off');
    expect(rows()).toEqual([{state: 'begun', remoteId: 'image-1', reason: undefined}]);
    cloud.inCreate = () => Promise.resolve();
    await expect(register(task())).resolves.toMatchObject({did: 'finished', id: 'image-1'});
    expect(rows()).toEqual([{state: 'registered', remoteId: 'image-1', reason: undefined}]);
  });

  it('cleans what was refused', async () => {
    cloud.inCreate = () => Promise.reject(new FgError('REMOTE_REFUSED', 'Quota exceeded'));
    await expect(register(task())).rejects.toThrow('Quota exceeded');
    expect(cloud.calls).toEqual(['find', 'create web', 'get image-1', 'remove image-1']);
    expect(rows()).toEqual([{state: 'failed', remoteId: 'image-1', reason: 'saving'}]);
  });

  it('gives up what never gets ready, takes it away and tells the state that it was in', async () => {
    cloud.inCreate = untilAborted;
    await expect(register(task({timeout: '1s'}))).rejects.toMatchObject({
      code: 'REMOTE_TIMEOUT',
      message: 'https://cloud.example.org did not get ready in 1.0 s: image-1 stays in "saving"',
    });
    expect(cloud.images.size).toBe(0);
    expect(rows()).toEqual([{state: 'failed', remoteId: 'image-1', reason: 'saving'}]);
  });

  it('leaves what was begun when it is cancelled', async () => {
    const controller = new AbortController();
    cloud.inCreate = (signal) => {
      controller.abort();
      return untilAborted(signal);
    };
    await expect(register(task(), controller.signal)).rejects.toThrow();
    expect(cloud.images.size).toBe(1);
    expect(rows()).toEqual([{state: 'begun', remoteId: 'image-1', reason: undefined}]);
  });

  it('says what could not be taken away', async () => {
    cloud.inCreate = () => {
      cloud.images.get = () => {
        throw new RemoteError('unreachable', 'The cloud is down');
      };
      return Promise.reject(new FgError('REMOTE_REFUSED', 'Quota exceeded'));
    };
    await expect(register(task())).rejects.toThrow('Quota exceeded');
    expect(warnings).toEqual([
      'What was begun of lab/web/cloud could not be taken away (image-1): The cloud is down',
    ]);
    expect(rows()).toEqual([{state: 'begun', remoteId: 'image-1', reason: undefined}]);
  });
});

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, {once: true});
  });
}

describe('registrationError()', () => {
  it.each([
    ['unreachable', 'REMOTE_UNREACHABLE', 4],
    ['refused', 'REMOTE_REFUSED', 4],
    ['usage', 'CREDENTIALS_MISSING', 2],
    ['damaged', 'REMOTE_REFUSED', 4],
  ] as const)('tells %s as %s', (kind, code, exitCode) => {
    const told = registrationError(new RemoteError(kind, 'It does not work'));
    expect(told).toMatchObject({code, exitCode, message: 'It does not work'});
  });
});
