import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {FgError} from '../../src/errors.ts';
import type {
  Artifact,
  CreateProgress,
  OpenRegistrar,
  PropertyChange,
  Registrar,
  RegistrarRequest,
  RemoteImage,
} from '../registrar.ts';
import {changeImage, settle} from './changes.ts';
import {endpointUrl, isHere, readSession} from './credentials.ts';
import {type OneImage, readImage, readImages, writeTemplate} from './documents.ts';
import {createImage, type ImageMaking} from './image-making.ts';
import {OneClient, unlessGone} from './one-client.ts';
import {
  markAttributes,
  markOf,
  propertyNames,
  remoteImage,
  vmTemplateOf,
  wantedProperties,
} from './properties.ts';
import {type RegisterSettings, registerSettings} from './register-settings.ts';
import {removeImage} from './removal.ts';
import {vmTemplateNamed, vmTemplateWord, type WantedVmTemplate} from './vm-template.ts';

/** OpenNebula by its XML-RPC interface. */
export const openRegistrar: OpenRegistrar = (request) =>
  Promise.resolve().then(() => new OneRegistrar(request));

class OneRegistrar implements Registrar {
  readonly endpoint: string;
  readonly properties: Registrar['properties'];
  /** A name is given once for each owner. */
  readonly hasUniqueNames = true;
  readonly #client: OneClient;
  readonly #making: ImageMaking;
  readonly #settings: RegisterSettings;

  constructor(request: RegistrarRequest) {
    const {image, options, name, mark, projectDir, env, signal, warn} = request;
    const settings = registerSettings(options);
    checkName(name);
    const url = endpointUrl(settings.endpoint, env);
    if (url.protocol === 'http:' && !isHere(url))
      warn(
        `The password for OpenNebula goes to ${url.host} without encryption`,
        'Use an https endpoint with register.endpoint or ONE_XMLRPC',
      );
    const session = readSession(env, warn);
    const ca = settings.ca === undefined ? {} : {ca: certificates(join(projectDir, settings.ca))};
    this.#client = new OneClient({url, session, signal, ...ca});
    this.#settings = settings;
    this.endpoint = url.href;
    const vmTemplate = wantedVmTemplate(settings, {name, mark, options, image});
    const word = vmTemplate === undefined ? undefined : vmTemplateWord(vmTemplate);
    this.properties = wantedProperties(settings, word);
    this.#making = {
      client: this.#client,
      settings,
      endpoint: url,
      name,
      mark,
      wanted: this.properties,
      signal,
      warn,
      ...(vmTemplate === undefined ? {} : {vmTemplate}),
    };
  }

  /**
   * Images of this user, in one call; where they are given to another owner, those of that one as well. Images of
   * others do not count whatever they say of themselves: anybody can write our mark on an image of his own.
   */
  async find(): Promise<readonly RemoteImage[]> {
    const {owner} = this.#settings;
    const filter = owner === undefined ? filters.own : filters.all;
    const images = readImages(await this.#client.text('one.imagepool.info', filter, -1, -1));
    const {lineage} = this.#making.mark;
    return images
      .filter((image) => owner === undefined || this.#isOurs(image, owner))
      .filter((image) => image.name === this.#making.name || markOf(image)?.lineage === lineage)
      .map((image) => remoteImage(image, this.properties));
  }

  async get(id: string): Promise<RemoteImage | undefined> {
    const text = await unlessGone(this.#client.text('one.image.info', Number(id)));
    if (text === undefined) return undefined;
    const image = readImage(text);
    const remote = remoteImage(image, this.properties);
    const vmTemplate = vmTemplateOf(image);
    const {lineage} = this.#making.mark;
    if (vmTemplate === undefined) return remote;
    if (await vmTemplateNamed(this.#client, vmTemplate.id, {lineage, imageId: image.id})) return remote;
    // The image names a template that somebody has taken away.
    const left = Object.entries(remote.properties).filter(([name]) => name !== propertyNames.vmTemplate);
    return {...remote, properties: Object.fromEntries(left)};
  }

  async create(artifact: Artifact, progress: CreateProgress, unfinished?: RemoteImage): Promise<RemoteImage> {
    const id = await createImage(this.#making, {
      artifact,
      progress,
      ...(unfinished === undefined ? {} : {unfinished}),
    });
    return settle(this.#making, id, async (one) => this.get(one));
  }

  async update(remote: RemoteImage, changes: readonly PropertyChange[]): Promise<RemoteImage> {
    await changeImage(this.#making, Number(remote.id), changes);
    return settle(this.#making, Number(remote.id), async (one) => this.get(one));
  }

  async remove({id, mark, belongings}: RemoteImage): Promise<void> {
    const {signal} = this.#making;
    const lineage = mark?.lineage ?? this.#making.mark.lineage;
    const hasVmTemplate = belongings?.['vm_template'] !== undefined || this.#settings.template !== undefined;
    await removeImage(this.#client, Number(id), {lineage, hasVmTemplate, signal});
  }

  /** DISABLED: no VM can be made from it. One that VMs run from stays enabled; new ones can be made until they end. */
  async deprecate({id, name}: RemoteImage): Promise<void> {
    const {warn} = this.#making;
    await this.#client.call(
      'one.image.update',
      Number(id),
      writeTemplate([[markAttributes.deprecated, 'YES']]),
      1,
    );
    const image = readImage(await this.#client.text('one.image.info', Number(id)));
    if (image.state === 'READY') await this.#client.call('one.image.enable', image.id, false);
    else if (image.state !== 'DISABLED')
      warn(`${name} (${id}) is ${image.state} and could not be disabled: it is marked as deprecated only`);
  }

  #isOurs({owner, ownerId}: OneImage, given: string): boolean {
    return owner === this.#client.user || owner === given || String(ownerId) === given;
  }
}

/** Filter flags of pools: -3 for the caller's own, -2 for all that the caller may use. */
const filters = {own: -3, all: -2} as const;

function wantedVmTemplate(
  settings: RegisterSettings,
  {name, mark, options, image}: Pick<RegistrarRequest, 'name' | 'mark' | 'options' | 'image'>,
): WantedVmTemplate | undefined {
  const {template, devPrefix, description} = settings;
  if (template === undefined) return undefined;
  const vmName = template.name ?? name;
  checkName(vmName);
  return {
    name: vmName,
    settings: template,
    devPrefix,
    mark,
    needsUefi: options['firmware'] === 'uefi',
    architecture: image.os.architecture,
    ...(description === undefined ? {} : {description}),
  };
}

/** PoolObjectSQL::name_is_valid, so that nothing is uploaded before it says no. */
function checkName(name: string): void {
  const wrong = /[&|:\\";/'#{}$<>\p{Cc}]/u.exec(name)?.[0];
  if (wrong === undefined && Buffer.byteLength(name) <= 128) return;
  const why = wrong === undefined ? 'it is longer than 128 bytes' : `it holds ${JSON.stringify(wrong)}`;
  throw new FgError(
    'USAGE',
    `OpenNebula takes no image or template of the name ${JSON.stringify(name)}: ${why}`,
    {
      hint: 'Choose another with register.name or register.template.name',
    },
  );
}

function certificates(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new FgError('USAGE', `The certificates of register.ca cannot be read: ${path}`, {cause: error});
  }
}
