import {createHash} from 'node:crypto';
import {createReadStream, existsSync} from 'node:fs';
import {open} from 'node:fs/promises';
import {get, type IncomingMessage, request} from 'node:http';

/** How the peer gets disks: what the datastore drivers of OpenNebula do with curl, head and qemu-img. */
export function isWebPath(path: string): boolean {
  return /^https?:\/\//.test(path);
}

/** libfs.sh, fs_size: the first 64 KiB tell the format and, of qcow2, the size; of raw, a HEAD request or the file. Gives what is wrong as a text. */
export async function statDisk(path: string): Promise<{readonly sizeMiB: number} | string> {
  if (path === '') return "cannot access '' (No such file or directory)";
  if (!isWebPath(path) && !existsSync(path)) return `cannot access '${path}' (No such file or directory)`;
  const head = isWebPath(path) ? await webHead(path).catch(() => undefined) : await fileHead(path);
  if (head === undefined) return 'Failed to get image head';
  const bytes = isQcow2(head.bytes) ? Number(head.bytes.readBigUInt64BE(24)) : head.sizeBytes;
  if (bytes === 0) return 'Runtime error during size estimation';
  return {sizeMiB: Math.ceil(bytes / (1 << 20))};
}

/** downloader.sh: all of it, and its SHA-1. */
export async function downloadDisk(
  path: string,
  onBytes: (bytes: number) => Promise<void>,
): Promise<{readonly sha1: string; readonly format: string}> {
  const source = isWebPath(path) ? await opened(path) : createReadStream(path);
  const hash = createHash('sha1');
  let first: Buffer | undefined;
  let bytes = 0;
  for await (const piece of source as AsyncIterable<Buffer>) {
    first ??= piece;
    hash.update(piece);
    bytes += piece.length;
    await onBytes(bytes);
  }
  return {sha1: hash.digest('hex'), format: first !== undefined && isQcow2(first) ? 'qcow2' : 'raw'};
}

/** As ctime(3): `Sun Nov 22 16:20:21 2026`. */
export function logTime(): string {
  const [day, month, date, year, time] = String(new Date()).split(' ');
  return `${day} ${month} ${date} ${time} ${year}`;
}

function isQcow2(bytes: Buffer): boolean {
  return bytes.length >= 32 && bytes.subarray(0, 4).toString('latin1') === 'QFI\u00FB';
}

async function fileHead(path: string): Promise<{readonly bytes: Buffer; readonly sizeBytes: number}> {
  await using file = await open(path, 'r');
  const {buffer, bytesRead} = await file.read(Buffer.alloc(65_536), 0, 65_536, 0);
  return {bytes: buffer.subarray(0, bytesRead), sizeBytes: (await file.stat()).size};
}

/** `curl | head -c 65536`, which hangs up early, then `curl --head`. */
async function webHead(url: string): Promise<{readonly bytes: Buffer; readonly sizeBytes: number}> {
  const body = await opened(url);
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of body as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length >= 65_536) break;
  }
  body.destroy();
  const sizeBytes = await new Promise<number>((resolve, reject) => {
    request(url, {method: 'HEAD'}, (response) => {
      response.resume();
      resolve(Number(response.headers['content-length'] ?? 0));
    })
      .once('error', reject)
      .end();
  });
  return {bytes: Buffer.concat(pieces), sizeBytes};
}

/** `curl --fail` */
function opened(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, {agent: false}, (response) => {
      if (response.statusCode === 200) resolve(response);
      else {
        response.resume();
        reject(new Error(`HTTP ${String(response.statusCode)}`));
      }
    }).once('error', reject);
  });
}
