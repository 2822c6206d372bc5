import {createHmac, type KeyObject} from 'node:crypto';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {type CheckedBundle, checkBundle} from './bundle-check.ts';
import type {S3Peer, S3User} from './s3-peer.ts';

export interface EucalyptusPeerOptions {
  readonly store: S3Peer;
  readonly user: S3User;
  readonly account: string;
  readonly cloudKey: KeyObject;
  readonly userCertificate: string;
  /** Kernels and RAM disks are registered by administrators only. */
  readonly isAdministrator?: boolean;
}

export interface PeerImage {
  readonly id: string;
  readonly name: string;
  readonly location: string;
  readonly virtualization: string;
  readonly architecture: string;
  readonly kernel: string;
  readonly ramdisk: string;
  readonly content: Buffer;
  state: string;
  reason: string;
  description: string;
  isPublic: boolean;
  readonly tags: Map<string, string>;
}

class Refusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

type Parameters = ReadonlyMap<string, string>;

/**
 * A stand-in for the compute service of Eucalyptus, which is in no package archive: its query interface by the source
 * (clc/modules/compute-backend, ImageManager.java and ImageManifests.java). It reads the manifest and all parts out of
 * the store with the rights of `aws-exec-read`, and unbundles the image.
 */
export class EucalyptusPeer {
  readonly images: PeerImage[] = [];
  /** The actions, in order. */
  readonly actions: string[] = [];
  /** Handles a request in its own way and gives true, once it was done (`after`) or before. */
  fault: (action: string, response: ServerResponse, when: 'before' | 'after') => boolean = () => false;
  /** How often a new image is told to be pending. */
  pendingAnswers = 1;
  /** What new images become. */
  nextState: 'available' | 'failed' = 'available';
  /** Words of images that fail. */
  reason = '';
  readonly #options: Required<EucalyptusPeerOptions>;
  readonly #server: Server;
  readonly #asked = new Map<string, number>();
  #next = 1;

  private constructor(options: EucalyptusPeerOptions) {
    this.#options = {isAdministrator: true, ...options};
    this.#server = createServer((request, response) => void this.#handle(request, response));
  }

  static async start(options: EucalyptusPeerOptions): Promise<EucalyptusPeer> {
    const peer = new EucalyptusPeer(options);
    await new Promise<void>((resolve) => peer.#server.listen(0, '127.0.0.1', resolve));
    return peer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/services/compute/`;
  }

  image(id: string): PeerImage {
    const found = this.images.find((one) => one.id === id && one.state !== 'deregistered');
    if (found === undefined)
      throw new Refusal('InvalidAMIID.NotFound', `The image ID '${id}' does not exist`);
    return found;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    const parameters = new Map(new URLSearchParams(body));
    const action = parameters.get('Action') ?? '';
    this.actions.push(action);
    if (this.fault(action, response, 'before')) return;
    try {
      this.#authorize(request, body, parameters);
      const content = this.#act(action, parameters);
      if (this.fault(action, response, 'after')) return;
      response.writeHead(200, {'content-type': 'text/xml'});
      response.end(
        `<?xml version="1.0"?><${action}Response xmlns="http://ec2.amazonaws.com/doc/2015-10-01/"><requestId>r</requestId>${content}</${action}Response>`,
      );
    } catch (error) {
      const {code, message} = error instanceof Refusal ? error : new Refusal('InternalError', String(error));
      const status = code === 'InternalError' ? 500 : code === 'AuthFailure' ? 401 : 400;
      response.writeHead(status, {'content-type': 'text/xml'});
      response.end(
        `<Response><Errors><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error></Errors></Response>`,
      );
    }
  }

  /** Amazon EC2 API Reference, "Query requests", signature version 2; the text as it was sent is what is signed. */
  #authorize(request: IncomingMessage, body: string, parameters: Parameters): void {
    const {user} = this.#options;
    const pairs = body.split('&').filter((pair) => !pair.startsWith('Signature='));
    const signed = ['POST', request.headers.host, request.url, pairs.sort().join('&')].join('\n');
    const wanted = createHmac('sha256', user.secret).update(signed).digest('base64');
    const age = Math.abs(Date.now() - Date.parse(parameters.get('Timestamp') ?? ''));
    if (parameters.get('AWSAccessKeyId') !== user.id)
      throw new Refusal('AuthFailure', 'The access key is not known');
    if (parameters.get('SignatureMethod') !== 'HmacSHA256' || parameters.get('SignatureVersion') !== '2')
      throw new Refusal('AuthFailure', 'Signature version');
    if (!(age < 900_000)) throw new Refusal('RequestExpired', 'The request is too old');
    if (parameters.get('Signature') !== wanted)
      throw new Refusal('AuthFailure', 'The signature does not match');
  }

  #act(action: string, parameters: Parameters): string {
    const get = (name: string): string => parameters.get(name) ?? '';
    switch (action) {
      case 'DescribeImages':
        if (get('Owner.1') !== 'self') throw new Refusal('InvalidParameter', 'Owner');
        return `<imagesSet>${this.images.map((image) => this.#described(image)).join('')}</imagesSet>`;
      case 'RegisterImage':
        return `<imageId>${this.#register(parameters)}</imageId>`;
      case 'DeregisterImage':
        this.image(get('ImageId')).state = 'deregistered';
        return '<return>true</return>';
      case 'CreateTags':
        for (let index = 1; parameters.has(`Tag.${index}.Key`); index += 1)
          this.image(get('ResourceId.1')).tags.set(get(`Tag.${index}.Key`), get(`Tag.${index}.Value`));
        return '<return>true</return>';
      case 'DeleteTags':
        for (let index = 1; parameters.has(`Tag.${index}.Key`); index += 1)
          this.image(get('ResourceId.1')).tags.delete(get(`Tag.${index}.Key`));
        return '<return>true</return>';
      case 'ModifyImageAttribute': {
        const image = this.image(get('ImageId'));
        if (parameters.has('Description.Value')) image.description = get('Description.Value');
        if (get('LaunchPermission.Add.1.Group') === 'all') image.isPublic = true;
        if (get('LaunchPermission.Remove.1.Group') === 'all') image.isPublic = false;
        return '<return>true</return>';
      }
      default:
        throw new Refusal('InvalidAction', `The action ${action} is not valid for this web service`);
    }
  }

  #register(parameters: Parameters): string {
    const get = (name: string): string => parameters.get(name) ?? '';
    const name = get('Name');
    if (!/^[A-Za-z0-9()./_-]{3,128}$/.test(name)) {
      throw new Refusal('InvalidAMIName.Malformed', 'AMI names must be between 3 and 128 characters long');
    }
    const holder = this.images.find((one) => one.name === name && /^(available|pending)$/.test(one.state));
    if (holder !== undefined) {
      throw new Refusal('InvalidAMIName.Duplicate', `AMI name ${name} is already in use by EMI ${holder.id}`);
    }
    const virtualization = get('VirtualizationType') || 'paravirtual';
    const bundle = this.#bundle(get('ImageLocation'));
    if (bundle.kind !== 'machine' && !this.#options.isAdministrator) {
      throw new Refusal('InternalError', `Only administrators can register ${bundle.kind} images.`);
    }
    if (bundle.kind === 'machine' && virtualization === 'paravirtual') {
      if (!this.images.some(({id}) => id === get('KernelId')))
        throw new Refusal('MissingParameter', 'Kernel ID must be specified');
      if (!this.images.some(({id}) => id === get('RamdiskId')))
        throw new Refusal('MissingParameter', 'Ramdisk ID must be specified');
    }
    const id = `${{machine: 'emi', kernel: 'eki', ramdisk: 'eri'}[bundle.kind]}-${String(this.#next).padStart(8, '0')}`;
    this.#next += 1;
    this.images.push({
      id,
      name,
      location: get('ImageLocation'),
      virtualization: bundle.kind === 'machine' ? virtualization : 'paravirtual',
      architecture: get('Architecture') || bundle.architecture,
      kernel: get('KernelId'),
      ramdisk: get('RamdiskId'),
      content: bundle.image,
      state: 'pending',
      reason: '',
      description: get('Description'),
      isPublic: false,
      tags: new Map(),
    });
    return id;
  }

  #bundle(location: string): CheckedBundle {
    const slash = location.indexOf('/');
    const [bucket, key] = [location.slice(0, slash), location.slice(slash + 1)];
    // Releases before 4 take no further slash, and take some names for a kind.
    if (slash < 2 || key.includes('/'))
      throw new Refusal('InternalError', `Invalid image location: ${location}`);
    if (/^(windows|vmlinuz|initrd)/.test(key))
      throw new Refusal('InternalError', `Not the kind that it says: ${key}`);
    const readable = (name: string): Buffer | undefined => {
      const object = this.#options.store.object(bucket, name);
      return object?.acl === 'aws-exec-read' ? object.bytes : undefined;
    };
    const manifest = readable(key);
    if (manifest === undefined)
      throw new Refusal('InternalError', `Failed to read manifest file: ${location}`);
    try {
      return checkBundle({...this.#options, manifest: manifest.toString('utf8'), part: readable});
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      throw new Refusal(words.includes('AuthFailure') ? 'AuthFailure' : 'InternalError', words);
    }
  }

  #described(image: PeerImage): string {
    const asked = (this.#asked.get(image.id) ?? 0) + 1;
    this.#asked.set(image.id, asked);
    if (image.state === 'pending' && asked > this.pendingAnswers) {
      image.state = this.nextState;
      image.reason = this.nextState === 'failed' ? this.reason : '';
    }
    const tags = [...image.tags].map(
      ([key, value]) => `<item>${tag('key', key)}${tag('value', value)}</item>`,
    );
    return `<item>${tag('imageId', image.id)}${tag('imageLocation', image.location)}${tag('imageState', image.state)}${tag('isPublic', String(image.isPublic))}${tag('architecture', image.architecture)}${tag('kernelId', image.kernel)}${tag('ramdiskId', image.ramdisk)}${tag('name', image.name)}${tag('description', image.description)}${tag('virtualizationType', image.virtualization)}<stateReason>${tag('message', image.reason)}</stateReason><tagSet>${tags.join('')}</tagSet></item>`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function tag(name: string, content: string): string {
  return content === '' ? '' : `<${name}>${escaped(content)}</${name}>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
