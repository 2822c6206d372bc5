import {type ChildProcessByStdio, spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdirSync, mkdtempSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import {changesBetween} from '../../src/register/reconcile.ts';
import type {Image, JsonObject} from '../../src/spec/image.ts';
import {openGlanceRegistrar} from '../../targets/openstack/register.ts';
import {schema} from '../../targets/openstack/schema.ts';
import type {UploadTiming} from '../../targets/openstack/upload.ts';
import type {
  Artifact,
  CreateProgress,
  Registrar,
  RegistrarRequest,
  RemoteImage,
} from '../../targets/registrar.ts';
import {compiled} from '../rig/compiled.ts';
import {image as anImage} from '../rig/images.ts';

/** Not as patient with what is stuck as a real registration. */
const timing: UploadTiming = {settleMs: 1500, pollMs: [50, 100], againMs: [100, 500, 1000, 5000, 10_000]};

export interface Opening {
  readonly register?: JsonObject;
  readonly digest?: string;
  readonly lineage?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  readonly image?: Partial<Image>;
}

/** A folder with clouds.yaml, and registrars for it as the engine opens them. */
export class CloudProject {
  readonly folder: string;
  readonly warnings: string[] = [];
  readonly #root: string;

  constructor(root: string, clouds: JsonObject) {
    this.#root = root;
    this.folder = mkdtempSync(join(root, 'project-'));
    this.writeClouds(clouds);
  }

  writeClouds(clouds: JsonObject): void {
    writeFileSync(join(this.folder, 'clouds.yaml'), JSON.stringify({clouds}));
  }

  request({
    register = {},
    digest = 'a'.repeat(64),
    lineage = 'lab/web/openstack',
    ...more
  }: Opening): RegistrarRequest {
    const name = typeof register['name'] === 'string' ? register['name'] : 'web';
    return {
      image: anImage(more.image),
      target: 'openstack',
      options: schema.parse({format: 'raw', register}),
      name,
      mark: {digest, lineage},
      projectDir: this.folder,
      // Nobody's own clouds.yaml, and a folder for tokens that is this project's.
      env: {
        OS_CLOUD: 'lab',
        HOME: this.folder,
        XDG_CONFIG_HOME: this.folder,
        XDG_RUNTIME_DIR: join(this.folder, 'run'),
        ...more.env,
      },
      signal: more.signal ?? new AbortController().signal,
      warn: (message) => void this.warnings.push(message),
    };
  }

  open(opening: Opening = {}): Promise<Registrar> {
    return openGlanceRegistrar(this.request(opening), timing);
  }

  /** Asks with a token of its own: no other one is found. */
  async findElsewhere(): Promise<readonly RemoteImage[]> {
    const registrar = await this.open({env: {XDG_RUNTIME_DIR: mkdtempSync(join(this.folder, 'run-'))}});
    return registrar.find();
  }

  /** An artifact of one file with this content; its digest is that of the file. */
  artifact(content: Buffer): Artifact & {readonly digest: string} {
    const sha256 = createHash('sha256').update(content).digest('hex');
    const folder = join(this.#root, 'artifacts', sha256);
    mkdirSync(folder, {recursive: true});
    writeFileSync(join(folder, 'disk.raw'), content);
    const files = [{path: 'disk.raw', sizeBytes: content.length, sha256}];
    return {folder, file: 'disk.raw', format: 'raw', files, digest: sha256};
  }

  async create(opening: Opening, artifact: Artifact & {readonly digest: string}): Promise<RemoteImage> {
    const registrar = await this.open({...opening, digest: artifact.digest});
    return registrar.create(artifact, silent);
  }
}

/** The one image of a lineage. */
export async function only(registrar: Registrar): Promise<RemoteImage> {
  const [found, ...more] = await registrar.find();
  if (found === undefined || more.length > 0)
    throw new Error(`There are ${more.length + (found === undefined ? 0 : 1)} images`);
  return found;
}

/** What is to be changed of the one image of a lineage so that it is as wanted. */
export async function drift(registrar: Registrar): Promise<unknown> {
  return changesBetween((await only(registrar)).properties, registrar.properties);
}

export async function bringUpToDate(registrar: Registrar): Promise<RemoteImage> {
  const found = await only(registrar);
  return registrar.update(found, changesBetween(found.properties, registrar.properties));
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
export function createInChild(
  request: RegistrarRequest,
  artifact: Artifact,
): ChildProcessByStdio<null, Readable, null> {
  const {image, target, options, name, mark, projectDir, env} = request;
  const plain = {image, target, options, name, mark, projectDir, env};
  return spawn('node', ['--input-type=module', '--eval', script], {
    env: {
      ...process.env,
      MODULE: compiled('targets/openstack/register.js'),
      REGISTRATION: JSON.stringify({request: plain, artifact}),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
