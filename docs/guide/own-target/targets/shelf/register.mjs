import {createReadStream, createWriteStream} from 'node:fs';
import {mkdir, readdir, readFile, rename, rm, stat, writeFile} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {pipeline} from 'node:stream/promises';

/** @typedef {import('../../../../../targets/registrar.ts').RemoteImage} RemoteImage */

/** @type {import('../../../../../targets/registrar.ts').OpenRegistrar} */
export function openRegistrar({name, mark, options, projectDir, signal}) {
  const {folder, note = ''} = /** @type {{folder: string; note?: string}} */ (options.register);
  const shelf = resolve(projectDir, folder);
  const properties = {note};

  /** The image is there once its label says `ready`; a label without it is left of an interrupted run. */
  const write = (id, label) => writeFile(join(shelf, `${id}.json`), JSON.stringify(label));

  /** @returns {Promise<RemoteImage | undefined>} */
  async function get(id) {
    const text = await readFile(join(shelf, `${id}.json`), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const {ready, ...label} = JSON.parse(text);
    return {
      id,
      ...label,
      health: ready ? 'ready' : 'pending',
      status: ready ? 'on the shelf' : 'being put there',
    };
  }

  async function find() {
    const names = await readdir(shelf).catch(() => []);
    const labels = names.filter((one) => one.endsWith('.json')).map((one) => get(one.slice(0, -5)));
    const images = (await Promise.all(labels)).filter((one) => one !== undefined);
    return images.filter((one) => one.name === name || one.mark.lineage === mark.lineage);
  }

  return Promise.resolve({
    endpoint: `file://${shelf}`,
    properties,
    hasUniqueNames: true,
    find,
    get,
    async create(artifact, {begun, report}) {
      const {sizeBytes} = artifact.files.find(({path}) => path === artifact.file);
      const label = {name, mark, properties, createdAt: Date.now()};
      await mkdir(shelf, {recursive: true});
      await write(name, label);
      begun(name);
      const part = join(shelf, `${name}.part`);
      const source = createReadStream(join(artifact.folder, artifact.file));
      source.on('data', () => report('Copying', source.bytesRead / sizeBytes));
      await pipeline(source, createWriteStream(part), {signal});
      if ((await stat(part)).size !== sizeBytes) throw new Error('The copy is not as long as the image');
      await rename(part, join(shelf, `${name}.tar.zst`));
      await write(name, {...label, ready: true});
      return get(name);
    },
    async update(remote) {
      const {id, mark: own, createdAt} = remote;
      await write(id, {name: remote.name, mark: own, properties, createdAt, ready: true});
      return get(id);
    },
    async remove({id}) {
      for (const end of ['json', 'part', 'tar.zst']) await rm(join(shelf, `${id}.${end}`), {force: true});
    },
  });
}
