import {createCipheriv, createHash, createHmac, type Hash, type KeyObject} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {createGzip} from 'node:zlib';

/**
 * The bundle format of Eucalyptus and of Amazon's AMI tools, as euca2ools writes it (bundle/pipes/core.py): a tar
 * archive of one file, compressed with gzip, encrypted with AES-128-CBC, cut into parts. Everything is streamed: in
 * memory are the part that is being filled and those that are being taken.
 */
export interface BundleRequest {
  readonly path: string;
  readonly sizeBytes: number;
  /** Begins the names of the parts, and names the file in the archive. */
  readonly prefix: string;
  readonly secret: BundleSecret;
  readonly signal: AbortSignal;
  /** Takes a part; the next ones are made meanwhile, up to `partsAtOnce`. */
  readonly take: (part: BundlePart, bytes: Buffer) => Promise<void>;
  /** Told how many bytes of the file were read. */
  readonly onProgress?: (readBytes: number) => void;
  readonly partBytes?: number;
}

export interface BundleSecret {
  readonly key: Buffer;
  readonly iv: Buffer;
}

export interface BundlePart {
  readonly index: number;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly sha1: string;
  readonly md5: string;
}

export interface Bundle {
  /** Of the tar archive. */
  readonly sha1: string;
  /** Of the file. */
  readonly sizeBytes: number;
  readonly bundledSizeBytes: number;
  readonly parts: readonly BundlePart[];
}

export const usualPartBytes = 10 * 2 ** 20;
/** Parts that are taken at once, which bounds memory. */
const partsAtOnce = 3;
const blockBytes = 512;
/** tar(1): archives are filled up to records of 20 blocks. */
const recordBytes = 20 * blockBytes;

export async function writeBundle(request: BundleRequest): Promise<Bundle> {
  const {sizeBytes, secret, signal} = request;
  const digest = createHash('sha1');
  const parts = new PartTaker(request);
  try {
    await pipeline(
      Readable.from(tarOf(request, digest), {objectMode: false}),
      createGzip(),
      createCipheriv('aes-128-cbc', secret.key, secret.iv),
      async (bundled: AsyncIterable<Buffer>) => {
        for await (const bytes of bundled) await parts.add(bytes);
        await parts.end();
      },
      {signal},
    );
  } catch (error) {
    // What ends a pipeline is told as its being aborted.
    parts.throwFailure();
    signal.throwIfAborted();
    throw error;
  }
  return {
    sha1: digest.digest('hex'),
    sizeBytes,
    bundledSizeBytes: parts.taken.reduce((sum, part) => sum + part.sizeBytes, 0),
    parts: parts.taken,
  };
}

/**
 * A key and an initialization vector that nobody guesses who has not the owner's secret, and that are the same when the
 * same file is bundled again: parts that are there already need not be sent another time.
 */
export function bundleSecret(owner: KeyObject | string, fileSha256: string): BundleSecret {
  const secret = typeof owner === 'string' ? owner : owner.export({type: 'pkcs8', format: 'der'});
  const bytes = createHmac('sha256', secret).update(`fgimage bundle\n${fileSha256}`).digest();
  return {key: bytes.subarray(0, 16), iv: bytes.subarray(16, 32)};
}

async function* tarOf(
  {path, sizeBytes, prefix, onProgress}: BundleRequest,
  digest: Hash,
): AsyncGenerator<Buffer> {
  const header = tarHeader(prefix, sizeBytes);
  digest.update(header);
  yield header;
  let readBytes = 0;
  for await (const chunk of createReadStream(path, {highWaterMark: 2 ** 20}) as AsyncIterable<Buffer>) {
    readBytes += chunk.length;
    digest.update(chunk);
    yield chunk;
    onProgress?.(readBytes);
  }
  if (readBytes !== sizeBytes)
    throw new Error(`${path} has ${readBytes} bytes, and should have ${sizeBytes}`);
  const written = blockBytes + Math.ceil(sizeBytes / blockBytes) * blockBytes;
  const total = Math.ceil((written + 2 * blockBytes) / recordBytes) * recordBytes;
  const padding = Buffer.alloc(total - blockBytes - sizeBytes);
  digest.update(padding);
  yield padding;
}

/** One regular file in GNU tar's format, which knows sizes from 8 GiB on (tar(5), "base-256"). */
function tarHeader(name: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  if (Buffer.byteLength(name) > 100) throw new Error(`${name} is too long a name for tar`);
  header.write(name, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  if (sizeBytes < 8 ** 11) header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124);
  else {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar  \0', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** Cuts a stream into parts and hands them on, some at once. */
class PartTaker {
  readonly taken: BundlePart[] = [];
  readonly #request: BundleRequest;
  readonly #partBytes: number;
  readonly #inFlight = new Set<Promise<void>>();
  #chunks: Buffer[] = [];
  #gathered = 0;
  /** Of the first part that could not be taken. */
  #failure: {readonly error: unknown} | undefined;

  constructor(request: BundleRequest) {
    this.#request = request;
    this.#partBytes = request.partBytes ?? usualPartBytes;
  }

  async add(bytes: Buffer): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      const piece = rest.subarray(0, this.#partBytes - this.#gathered);
      this.#chunks.push(piece);
      this.#gathered += piece.length;
      rest = rest.subarray(piece.length);
      if (this.#gathered === this.#partBytes) await this.#cut();
    }
  }

  async end(): Promise<void> {
    if (this.#gathered > 0) await this.#cut();
    await Promise.all(this.#inFlight);
    this.throwFailure();
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #cut(): Promise<void> {
    const bytes = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.#gathered = 0;
    const index = this.taken.length;
    const part: BundlePart = {
      index,
      fileName: `${this.#request.prefix}.part.${String(index).padStart(2, '0')}`,
      sizeBytes: bytes.length,
      sha1: createHash('sha1').update(bytes).digest('hex'),
      md5: createHash('md5').update(bytes).digest('hex'),
    };
    this.taken.push(part);
    const taking = this.#request
      .take(part, bytes)
      .catch((error: unknown) => {
        this.#failure ??= {error};
      })
      .finally(() => this.#inFlight.delete(taking));
    this.#inFlight.add(taking);
    if (this.#inFlight.size >= partsAtOnce) await Promise.race(this.#inFlight);
    this.throwFailure();
  }
}
