import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import {saveBlob} from '../../../cache/remote/transfer.ts';
import {OciClient} from '../../clients/oci/client.ts';
import {registryLogin} from '../../clients/oci/login.ts';
import {readReference} from '../../clients/oci/reference.ts';
import {Registry} from '../../clients/oci/registry.ts';
import {discard, whileReading} from '../../http/client.ts';
import {withRetries} from '../../http/retry.ts';
import {ImportError} from './entry.ts';
import type {BlobSource} from './oci-image.ts';

/** An image in a registry: documents by the client that registers images too, layers into files of the work folder. */
export function registrySource(
  text: string,
  {
    work,
    signal,
    progress,
  }: {readonly work: string; readonly signal: AbortSignal; readonly progress: (message: string) => void},
): {readonly source: BlobSource; readonly version: string} {
  const reference = readReference(text);
  if (!reference.ok) throw new ImportError(`${text} is no image in a registry: ${reference.error}`);
  const {root, host, repository, version} = reference.value;
  const name = `${host}/${repository}`;
  const documents = new Registry(reference.value, {env: process.env, signal});
  const client = new OciClient({root, name, login: registryLogin(host, process.env)});
  let count = 0;
  return {
    version,
    source: {
      small: async (wanted) => (await documents.manifest(wanted))?.bytes,
      layer: async ({digest, sizeBytes}) => {
        count += 1;
        progress(`Fetching layer ${String(count)} from ${host}`);
        const path = join(work, `layer-${String(count)}`);
        const url = `/v2/${repository}/blobs/${digest}`;
        const blob = {sha256: digest.replace(/^sha256:/, ''), sizeBytes};
        await withRetries(
          async () => {
            await rm(path, {force: true});
            const response = await client.send({method: 'GET', url, signal});
            if (response.status === 404) {
              discard(response);
              throw new ImportError(`${name} has no layer ${digest} any more`);
            }
            if (response.status !== 200) throw client.refused(response, 'A layer cannot be read');
            await whileReading(name, signal, () => saveBlob(response.body, blob, {path, signal}));
          },
          {signal},
        );
        return path;
      },
    },
  };
}
