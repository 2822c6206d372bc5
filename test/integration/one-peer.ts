import {realpathSync} from 'node:fs';
import {createServer, type IncomingMessage, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {setTimeout as wait} from 'node:timers/promises';
import {downloadDisk, isWebPath, logTime, statDisk} from './one-peer-disks.ts';
import {
  documentOf,
  type PeerDatastore,
  type PeerObject,
  poolDocument,
  readTemplate,
  type Template,
} from './one-peer-objects.ts';
import {
  type Caller,
  checkedName,
  checkTypes,
  codes,
  datastoreDocument,
  gone,
  maySee,
  Refusal,
  single,
  unauthorized,
  usualDatastores,
} from './one-peer-rules.ts';
import {answerOf, type Call, Fault, faultOf, readCall} from './one-peer-wire.ts';

/**
 * A stand-in for OpenNebula's front-end, written from its published interface and behaviour (the XML-RPC signatures of
 * src/rm, the checks of ImageAPI.cc and ImagePool.cc, the drivers' downloader.sh and libfs.sh). It knows nothing of
 * fgimage, and is stricter than the real one: arguments are counted and their types compared, as documented for the
 * version that it plays. It really fetches what PATH names.
 */
export interface PeerOptions {
  readonly version?: string;
  /** Names with passwords; the first is oneadmin. */
  readonly users?: Readonly<Record<string, string>>;
  readonly datastores?: readonly PeerDatastore[];
  /** Files may come from these folders only. */
  readonly safeDirs?: readonly string[];
}

type Handler = (caller: Caller, params: readonly (string | number | boolean)[]) => unknown;

export class OnePeer implements AsyncDisposable {
  readonly images = new Map<number, PeerObject>();
  readonly templates = new Map<number, PeerObject>();
  /** Methods, in the order of their calls. */
  readonly calls: string[] = [];
  /** While it is set, nothing that is to be copied gets copied. */
  isHolding = false;
  /** While it is set, nothing that is to be deleted gets deleted. */
  isKeeping = false;
  /** Told when a copy begins to read, with what it has; used to stop in the middle. */
  onBytes: (bytes: number) => Promise<void> = () => Promise.resolve();
  /** A cluster without a leader answers so many calls with that. */
  leaderless = 0;
  /** How long a copy waits before it tries again when a connection breaks, and how often it does. */
  retryMs = 300;
  retries = 3;
  readonly #options: Required<PeerOptions>;
  readonly #server: Server;
  readonly #abort = new AbortController();
  readonly #jobs = new Set<Promise<void>>();
  #nextId = 0;
  readonly groups = ['oneadmin', 'users', 'lab'];

  private constructor(options: PeerOptions) {
    this.#options = {
      version: '7.0.0',
      users: {oneadmin: 'opennebula', alice: 'wonder:land'},
      datastores: usualDatastores,
      safeDirs: ['/var/tmp'],
      ...options,
    };
    this.#server = createServer((incoming, response) => {
      void this.#answer(incoming).then(({status, text}) => {
        response.writeHead(status, {'content-type': 'text/xml; charset=utf-8'}).end(text);
      });
    });
  }

  static async start(options: PeerOptions = {}): Promise<OnePeer> {
    const peer = new OnePeer(options);
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', () => resolve()));
    return peer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/RPC2`;
  }

  takeCalls(): readonly string[] {
    return this.calls.splice(0);
  }

  image(id: string | number): PeerObject {
    const image = this.images.get(Number(id));
    if (image === undefined) throw new Error(`The peer has no image ${id}`);
    return image;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
    await Promise.all(this.#jobs);
  }

  async #answer(incoming: IncomingMessage): Promise<{status: number; text: string}> {
    if (incoming.method !== 'POST' || incoming.url !== '/RPC2') return {status: 405, text: ''};
    const pieces: Buffer[] = [];
    for await (const piece of incoming as AsyncIterable<Buffer>) pieces.push(piece);
    try {
      const call = readCall(Buffer.concat(pieces).toString('utf8'));
      this.calls.push(call.method);
      return {status: 200, text: answerOf(await this.#result(call))};
    } catch (error) {
      if (error instanceof Fault) return {status: 200, text: faultOf(error)};
      return {status: 500, text: String(error)};
    }
  }

  async #result({method, params}: Call): Promise<readonly (string | number | boolean)[]> {
    const {signatures, handlers} = this.#methods;
    const handler = handlers[method];
    const signature = signatures[method];
    if (handler === undefined || signature === undefined)
      throw new Fault(-506, `Method '${method}' not defined`);
    checkTypes(method, signature, params);
    const [session, ...own] = params;
    if (this.leaderless > 0) {
      this.leaderless -= 1;
      return [false, 'Cannot process request, no leader found', codes.internal, -1, 0];
    }
    const caller = this.#callerOf(String(session));
    if (caller === undefined)
      return [
        false,
        `[${method}] User couldn't be authenticated, aborting call.`,
        codes.authentication,
        -1,
        0,
      ];
    try {
      return [true, (await handler(caller, own)) as string | number | boolean, 0];
    } catch (error) {
      if (error instanceof Refusal) return [false, `[${method}] ${error.message}`, error.code, -1, 0];
      throw error;
    }
  }

  #callerOf(session: string): Caller | undefined {
    const names = Object.entries(this.#options.users);
    const uid = names.findIndex(([name, password]) => `${name}:${password}` === session);
    const name = names[uid]?.[0];
    return name === undefined ? undefined : {uid, name};
  }

  get #isOld(): boolean {
    return Number(this.#options.version.split('.')[0]) < 6;
  }

  get #methods(): {
    readonly signatures: Readonly<Record<string, string>>;
    readonly handlers: Readonly<Record<string, Handler>>;
  } {
    const isOld = this.#isOld;
    // `s` string, `i` int, `b` boolean; what follows a `?` may be left out.
    const signatures: Record<string, string> = {
      'one.system.version': 's',
      'one.datastorepool.info': 's',
      'one.userpool.info': 's',
      'one.grouppool.info': 's',
      'one.imagepool.info': 'siii',
      'one.templatepool.info': 'siii',
      'one.image.allocate': 'ssi?b',
      'one.image.info': 'si?b',
      'one.image.update': 'sis?i',
      'one.image.delete': isOld ? 'si' : 'si?b',
      'one.image.enable': 'sib',
      'one.image.persistent': 'sib',
      'one.image.chmod': `s${'i'.repeat(10)}`,
      'one.image.chown': 'siii',
      'one.template.allocate': 'ss',
      'one.template.info': 'si?bb',
      'one.template.update': 'sis?i',
      'one.template.rename': 'sis',
      'one.template.delete': 'si?b',
      'one.template.chmod': `s${'i'.repeat(10)}?b`,
      'one.template.chown': 'siii',
    };
    const text = (value: unknown): string => value as string;
    const number = (value: unknown): number => value as number;
    const images = {pool: this.images, kind: 'IMAGE'} as const;
    const templates = {pool: this.templates, kind: 'VMTEMPLATE'} as const;
    const handlers: Record<string, Handler> = {
      'one.system.version': () => this.#options.version,
      'one.datastorepool.info': () =>
        poolDocument('DATASTORE_POOL', this.#options.datastores.map(datastoreDocument)),
      'one.userpool.info': (caller) => {
        if (caller.uid !== 0) throw unauthorized(caller, 'USER Pool');
        const names = Object.keys(this.#options.users);
        return poolDocument(
          'USER_POOL',
          names.map((name, id) => `<USER><ID>${id}</ID><NAME>${name}</NAME></USER>`),
        );
      },
      'one.grouppool.info': () =>
        poolDocument(
          'GROUP_POOL',
          this.groups.map((name, id) => `<GROUP><ID>${id}</ID><NAME>${name}</NAME></GROUP>`),
        ),
      'one.image.allocate': (caller, [template, datastore]) =>
        this.#allocateImage(caller, text(template), number(datastore)),
      'one.template.allocate': (caller, [template]) => this.#allocateTemplate(caller, text(template)),
      'one.image.delete': (caller, [id]) => this.#deleteImage(this.#mine(caller, images, number(id))),
      'one.template.delete': (caller, [id]) => {
        this.templates.delete(this.#mine(caller, templates, number(id)).id);
        return id;
      },
      'one.template.rename': (caller, [id, name]) => {
        this.#mine(caller, templates, number(id)).name = text(name);
        return id;
      },
      'one.image.enable': (caller, [id, on]) => {
        const image = this.#mine(caller, images, number(id));
        const allowed = on ? [3, 5, 1] : [1, 5, 3];
        if (!allowed.includes(image.state))
          throw new Refusal(
            'internal',
            `Could not ${on ? 'enable' : 'disable'} image: Image cannot be in state ${image.state}.`,
          );
        image.state = on ? 1 : 3;
        return id;
      },
      'one.image.persistent': (caller, [id, on]) => {
        this.#mine(caller, images, number(id)).persistent = on === true;
        return id;
      },
    };
    for (const [prefix, objects] of [
      ['image', images],
      ['template', templates],
    ] as const) {
      handlers[`one.${prefix}pool.info`] = (caller, [filter]) => {
        if (![-4, -3, -2, -1].includes(number(filter)) && number(filter) < 0)
          throw new Refusal('internal', 'Incorrect filter_flag');
        const seen = [...objects.pool.values()].filter((one) => maySee(caller, one, number(filter)));
        return poolDocument(
          `${objects.kind}_POOL`,
          seen.map((one) => documentOf(objects.kind, one)),
        );
      };
      handlers[`one.${prefix}.info`] = (caller, [id]) => {
        const object = objects.pool.get(number(id));
        if (object === undefined) throw gone(objects.kind, number(id));
        if (!maySee(caller, object, -2)) throw unauthorized(caller, objects.kind);
        return documentOf(objects.kind, object);
      };
      handlers[`one.${prefix}.update`] = (caller, [id, template, append = 0]) => {
        const object = this.#mine(caller, objects, number(id));
        const update = readTemplate(text(template), (message) => new Refusal('internal', message));
        if (append !== 1) object.template.clear();
        for (const [name, values] of update) {
          const full = values.filter((value) => value !== '');
          if (full.length === 0) object.template.delete(name);
          else object.template.set(name, full);
        }
        return id;
      };
      handlers[`one.${prefix}.chmod`] = (caller, [id, ...flags]) => {
        const object = this.#mine(caller, objects, number(id));
        const bits = flags.slice(0, 9).map(number);
        if (bits.some((bit) => ![-1, 0, 1].includes(bit)))
          throw new Refusal('internal', 'a permission is neither -1 nor 0 nor 1');
        object.permissions = object.permissions.map((bit, index) =>
          bits[index] === -1 ? bit : (bits[index] ?? 0),
        );
        return id;
      };
      handlers[`one.${prefix}.chown`] = (caller, [id, user, group]) => {
        const object = this.#mine(caller, objects, number(id));
        const owner = Object.keys(this.#options.users)[number(user)];
        if (number(user) >= 0 && owner === undefined) throw gone('USER', number(user));
        if (number(user) >= 0 && caller.uid !== 0) throw unauthorized(caller, 'USER');
        if (number(group) >= this.groups.length) throw gone('GROUP', number(group));
        if (owner !== undefined) {
          object.uid = number(user);
          object.owner = owner;
        }
        if (number(group) >= 0) {
          object.gid = number(group);
          object.group = this.groups[number(group)] ?? '';
        }
        return id;
      };
    }
    return {signatures, handlers};
  }

  #mine(
    caller: Caller,
    {pool, kind}: {readonly pool: ReadonlyMap<number, PeerObject>; readonly kind: string},
    id: number,
  ): PeerObject {
    const object = pool.get(id);
    if (object === undefined) throw gone(kind, id);
    if (caller.uid !== 0 && object.uid !== caller.uid)
      throw new Refusal(
        'authorization',
        `User [${caller.uid}] : Not authorized to perform MANAGE ${kind} [${id}].`,
      );
    return object;
  }

  /** ImageAPI::allocate and ImagePool::allocate, in their order. */
  async #allocateImage(caller: Caller, text: string, datastoreId: number): Promise<number> {
    const template = readTemplate(text, (message) => new Refusal('internal', message));
    const datastore = this.#options.datastores.find(({id}) => id === datastoreId);
    if (datastore === undefined) throw gone('DATASTORE', datastoreId);
    if (datastore.type === 1)
      throw new Refusal(
        'allocate',
        'Error allocating a new IMAGE. New images can only be allocated in a files or image datastore.',
      );
    const path = single(template, 'PATH');
    const stat = await statDisk(path);
    if (typeof stat === 'string') throw new Refusal('internal', `Cannot parse image SIZE: ${stat}`);
    const {sizeMiB} = stat;
    if (sizeMiB > datastore.freeMiB) throw new Refusal('action', 'Not enough space in datastore');
    if (template.has('SOURCE') && caller.uid !== 0)
      throw new Refusal(
        'authorization',
        `User [${caller.uid}] : Template includes a restricted attribute SOURCE.`,
      );
    const allocation = (why: string): Refusal =>
      new Refusal('allocate', `Error allocating a new IMAGE. ${why}`);
    const name = checkedName(single(template, 'NAME'), allocation);
    if (datastore.type !== 0)
      throw allocation(
        'Only IMAGES of type KERNEL, RAMDISK and CONTEXT can be registered in a FILE_DS datastore',
      );
    const taken = [...this.images.values()].find((one) => one.name === name && one.uid === caller.uid);
    if (taken !== undefined) throw allocation(`NAME is already taken by IMAGE ${taken.id}.`);
    const persistent = single(template, 'PERSISTENT').toUpperCase() === 'YES';
    // Until version 6 the format was DRIVER's; since then DRIVER cannot be set, and the format is looked at.
    const driver = single(template, 'DRIVER');
    for (const attribute of ['NAME', 'TYPE', 'PERSISTENT', 'PATH', 'FORMAT', 'SIZE'])
      template.delete(attribute);
    if (!this.#isOld) template.delete('DRIVER');
    const image = this.#object(caller, {name, template});
    Object.assign(image, {path, sizeMiB, persistent, state: 4, datastore, driver});
    this.images.set(image.id, image);
    this.#start(async () => this.#copy(image));
    return image.id;
  }

  #allocateTemplate(caller: Caller, text: string): number {
    const template = readTemplate(text, (message) => new Refusal('internal', message));
    const allocation = (why: string): Refusal =>
      new Refusal('allocate', `Error allocating a new TEMPLATE. ${why}`);
    const name = checkedName(single(template, 'NAME'), allocation);
    const taken = [...this.templates.values()].find((one) => one.name === name && one.uid === caller.uid);
    if (taken !== undefined) throw allocation(`NAME is already taken by TEMPLATE ${taken.id}.`);
    template.delete('NAME');
    const object = this.#object(caller, {name, template});
    this.templates.set(object.id, object);
    return object.id;
  }

  #object(
    caller: Caller,
    {name, template}: {readonly name: string; readonly template: Template},
  ): PeerObject {
    const gid = caller.uid === 0 ? 0 : 1;
    return {
      id: this.#nextId++,
      uid: caller.uid,
      owner: caller.name,
      gid,
      group: this.groups[gid] ?? '',
      name,
      permissions: [1, 1, 0, 0, 0, 0, 0, 0, 0],
      registeredAt: Math.floor(Date.now() / 1000),
      template,
      state: 0,
      persistent: false,
      path: '',
      source: '',
      format: '',
      sizeMiB: 0,
    };
  }

  /** The datastore driver's `cp`: what it downloads has to have the SHA1 of the template. */
  async #copy(image: PeerObject): Promise<void> {
    const {signal} = this.#abort;
    while (this.isHolding) await wait(20, undefined, {signal});
    const failed = (why: string): void => {
      image.state = 5;
      image.template.set('ERROR', [`${logTime()} : Error copying image in the datastore: ${why}`]);
    };
    const {path} = image;
    const isWeb = isWebPath(path);
    if (!isWeb && !this.#options.safeDirs.some((folder) => realpathSync(path).startsWith(folder))) {
      failed(`Not allowed to copy image from ${path}, check RESTRICTED_DIRS in your datastore`);
      return;
    }
    const expected = single(image.template, 'SHA1');
    for (let tries = 0; ; tries += 1) {
      const copied = await downloadDisk(path, async (bytes) => this.#read(bytes)).catch(() => undefined);
      if (!this.images.has(image.id) || image.state !== 4) return;
      if (copied === undefined && isWeb && tries < this.retries) {
        await wait(this.retryMs, undefined, {signal});
        continue;
      }
      if (copied === undefined || (expected !== '' && copied.sha1 !== expected)) {
        failed(`Error copying ${path} to /var/lib/one/datastores/1/${image.id}`);
        return;
      }
      image.source = `/var/lib/one/datastores/1/${image.id}`;
      image.format = this.#isOld ? image.driver || 'raw' : copied.format;
      image.state = 1;
      return;
    }
  }

  async #read(bytes: number): Promise<void> {
    await this.onBytes(bytes);
    this.#abort.signal.throwIfAborted();
  }

  #deleteImage(image: PeerObject): number {
    if (image.state === 2) throw new Refusal('action', 'Cannot delete image. There are 1 VMs using it.');
    image.state = 7;
    this.#start(async () => {
      do await wait(30, undefined, {signal: this.#abort.signal});
      while (this.isKeeping);
      this.images.delete(image.id);
    });
    return image.id;
  }

  /** Something that goes on after a call was answered. */
  #start(work: () => Promise<void>): void {
    const job = work().catch((error: unknown) => {
      if (!this.#abort.signal.aborted) throw error;
    });
    this.#jobs.add(job);
    void job.finally(() => this.#jobs.delete(job));
  }
}
