import {parseSize} from '../../src/size.ts';
import type {Image, JsonObject} from '../../src/spec/image.ts';
import {firmwareOf, formatOutputs} from '../shared/disk.ts';
import type {Domain} from './domain.ts';

/** The XML of the domain in the artifact folder. */
export const domainFile = 'domain.xml';

/** Where libvirt's pool `default` has its volumes. */
const usualPool = '/var/lib/libvirt/images';

/** The domain that the options describe, with its disk where a user of libvirt's usual pool would put it. */
export function domainOf(image: Image, options: JsonObject): Domain {
  const {name, type, cpus, memory, network} = (options['domain'] ?? {}) as JsonObject;
  const memoryBytes = typeof memory === 'string' ? parseSize(memory) : undefined;
  const format = formatOutputs(options['format'])[0]?.format;
  if (
    (type !== 'kvm' && type !== 'qemu') ||
    typeof cpus !== 'number' ||
    memoryBytes === undefined ||
    typeof network !== 'string' ||
    (format !== 'qcow2' && format !== 'raw')
  ) {
    throw new Error(`Unchecked options: ${JSON.stringify(options)}`);
  }
  const called = typeof name === 'string' ? name : image.name;
  return {
    name: called,
    uuid: '{{uuid:domain}}',
    type,
    cpus,
    memoryMiB: Math.ceil(memoryBytes / (1 << 20)),
    network,
    firmware: image.os.architecture === 'arm64' ? 'uefi' : firmwareOf(options),
    format,
    disk: `${usualPool}/${called}.${format}`,
    os: image.os.release,
    architecture: image.os.architecture,
  };
}
