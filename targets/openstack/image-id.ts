import {createHash} from 'node:crypto';
import type {Mark} from '../registrar.ts';

/** Of this program's own making; anything but random would do as well. */
const namespace = Buffer.from('6f0c9a51c7a84c0f8f0d3a5e2b7d4e19', 'hex');

/**
 * The id that an image gets: UUIDv5 (RFC 9562, 5.5) of where it is and what it is, so that making it a second time is
 * refused. A deleted image keeps its id for ever; the next one of the same content is of the next generation.
 */
export function imageId(projectId: string, {digest, lineage}: Mark, generation: number): string {
  const name = JSON.stringify([projectId, digest, lineage, generation]);
  const bytes = createHash('sha1').update(namespace).update(name).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
