import {type ChildProcess, spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {once} from 'node:events';
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {openCatalog} from '../../src/catalog/database.ts';
import {Registrations} from '../../src/catalog/registrations.ts';
import {performRegistration, type Registered} from '../../src/register/perform.ts';
import {planRegistration, type RegistrationTask} from '../../src/register/registration.ts';
import type {JsonObject} from '../../src/spec/image.ts';
import {openRegistrar} from '../../targets/opennebula/register.ts';
import {schema} from '../../targets/opennebula/schema.ts';
import type {Artifact, CreateProgress, Registrar, RegistrarRequest} from '../../targets/registrar.ts';
import {compiled} from '../rig/compiled.ts';
import {image} from '../rig/images.ts';
import type {OnePeer} from './one-peer.ts';

export interface Opening {
  readonly register?: JsonObject;
  readonly options?: JsonObject;
  readonly name?: string;
  readonly digest?: string;
  readonly auth?: string;
  readonly signal?: AbortSignal;
}

export const lineage = 'lab/web/opennebula';

export type SampleDisk = Artifact & {readonly digest: string};

/** A project with a session file, and registrations as the engine makes them. */
export class OneProject {
  readonly folder: string;
  readonly warnings: string[] = [];
  readonly messages: string[] = [];
  readonly #endpoint: string;

  constructor(root: string, endpoint: string) {
    this.folder = mkdtempSync(join(root, 'one-'));
    this.#endpoint = endpoint;
    mkdirSync(join(this.folder, 'safe'));
  }

  request({
    register = {},
    options = {},
    name = 'web',
    digest = 'a'.repeat(64),
    auth,
    signal,
  }: Opening): RegistrarRequest {
    const secret = join(this.folder, 'one_auth');
    writeFileSync(secret, `${auth ?? 'alice:wonder:land'}\n`, {mode: 0o600});
    return {
      image: image(),
      target: 'opennebula',
      options: this.#options(register, options),
      name,
      mark: {digest, lineage},
      projectDir: this.folder,
      env: {HOME: this.folder, ONE_AUTH: secret, ONE_XMLRPC: this.#endpoint},
      signal: signal ?? new AbortController().signal,
      warn: (message) => void this.warnings.push(message),
    };
  }

  open(opening: Opening = {}): Promise<Registrar> {
    return openRegistrar(this.request(opening));
  }

  /** What `fgimage register` does with one target. */
  async register(disk: SampleDisk, opening: Opening = {}): Promise<Registered> {
    const {register = {}, options = {}, name, signal = new AbortController().signal} = opening;
    const {env} = this.request(opening);
    const database = openCatalog(join(this.folder, 'catalog.db'));
    try {
      const task: RegistrationTask = {
        image: image(),
        target: 'opennebula',
        type: 'opennebula',
        options: this.#options(register, options),
        digest: disk.digest,
        lineage,
        usualName: name ?? 'web-{digest}',
        openRegistrar: () => Promise.resolve(openRegistrar),
        projectDir: this.folder,
      };
      const warn = (message: string): void => void this.warnings.push(message);
      const places = {registrations: new Registrations(database), env, warn};
      const plan = await planRegistration(task, places, signal);
      return await performRegistration(plan, {
        places,
        signal,
        artifact: () => Promise.resolve(disk),
        report: (message) => void this.messages.push(message),
      });
    } finally {
      database.close();
    }
  }

  /** Some bytes, or a qcow2 header with that virtual size before them. */
  disk(bytes: Buffer, virtualSizeBytes?: number): SampleDisk {
    const isQcow2 = virtualSizeBytes !== undefined;
    const format = isQcow2 ? 'qcow2' : 'raw';
    const content = isQcow2 ? Buffer.concat([qcow2Header(virtualSizeBytes), bytes]) : bytes;
    const sha256 = createHash('sha256').update(content).digest('hex');
    const folder = mkdtempSync(join(this.folder, 'artifact-'));
    const file = `disk.${format}`;
    writeFileSync(join(folder, file), content);
    const files = [{path: file, sizeBytes: content.length, sha256}];
    return {
      folder,
      file,
      format,
      files,
      virtualSizeBytes: virtualSizeBytes ?? content.length,
      digest: sha256,
    };
  }

  /** A raw disk that is nearly all hole. */
  async sparseDisk(sizeBytes: number): Promise<SampleDisk> {
    const folder = mkdtempSync(join(this.folder, 'artifact-'));
    const path = join(folder, 'disk.raw');
    const file = openSync(path, 'w');
    writeSync(file, Buffer.from('a boot sector'), 0, 13, 0);
    closeSync(file);
    truncateSync(path, sizeBytes);
    const hash = createHash('sha256');
    for await (const piece of createReadStream(path, {highWaterMark: 1 << 20}) as AsyncIterable<Buffer>)
      hash.update(piece);
    const sha256 = hash.digest('hex');
    const files = [{path: 'disk.raw', sizeBytes, sha256}];
    return {folder, file: 'disk.raw', format: 'raw', files, virtualSizeBytes: sizeBytes, digest: sha256};
  }

  #options(register: JsonObject, options: JsonObject): JsonObject {
    const transfer = ['path', 'serve', 'http_source'].some((name) => register[name] !== undefined);
    const own = transfer ? register : {...register, serve: '127.0.0.1'};
    return schema.parse({...options, register: own});
  }
}

/** The first 32 bytes of the format (docs/interop/qcow2.rst of QEMU). */
function qcow2Header(virtualSizeBytes: number): Buffer {
  const header = Buffer.alloc(512);
  header.write('QFI\u00FB', 'latin1');
  header.writeUInt32BE(3, 4);
  header.writeBigUInt64BE(BigInt(virtualSizeBytes), 24);
  return header;
}

export const silent: CreateProgress = {begun: () => undefined, report: () => undefined};

const script = `
const {request, artifact} = JSON.parse(process.env.REGISTRATION);
const {openRegistrar} = await import(process.env.MODULE);
const registrar = await openRegistrar({...request, signal: new AbortController().signal, warn: () => {}});
const remote = await registrar.create(artifact, {begun: () => {}, report: () => {}});
console.log(JSON.stringify({remote, memoryKiB: process.resourceUsage().maxRSS}));
`;

/** Registers in a process of its own, which may be killed. */
export function createInChild(request: RegistrarRequest, artifact: Artifact): ChildProcess {
  // Neither signals nor functions are JSON.
  const plain = {...request, signal: undefined, warn: undefined};
  return spawn('node', ['--input-type=module', '--eval', script], {
    env: {
      ...process.env,
      MODULE: compiled('targets/opennebula/register.js'),
      REGISTRATION: JSON.stringify({request: plain, artifact}),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Registers a sparse disk in a process of its own, and says what it took. */
export async function servedInChild(
  project: OneProject,
  peer: OnePeer,
  sizeBytes: number,
): Promise<{readonly sizeMiB: number; readonly memoryMiB: number}> {
  const disk = await project.sparseDisk(sizeBytes);
  const child = createInChild(project.request({digest: disk.digest}), disk);
  const output: Buffer[] = [];
  child.stdout?.on('data', (piece: Buffer) => output.push(piece));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`The registration ended with ${String(code)}`);
  const {remote, memoryKiB} = JSON.parse(Buffer.concat(output).toString()) as {
    readonly remote: {readonly id: string};
    readonly memoryKiB: number;
  };
  return {sizeMiB: peer.image(remote.id).sizeMiB, memoryMiB: memoryKiB / 1024};
}
