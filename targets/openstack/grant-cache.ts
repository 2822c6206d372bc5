import {createCipheriv, createDecipheriv, createHash, randomBytes, scrypt} from 'node:crypto';
import {mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {homeOf, textOf} from './clouds-yaml.ts';
import type {Cloud} from './credentials.ts';

/** What Keystone has given: a token, and where its holder finds images. */
export interface Grant {
  readonly token: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly projectId: string;
  /** Of the image service, with `/v2`. */
  readonly imageUrl: string;
}

/**
 * Grants outlive the process, so that a registration with nothing to do asks Glance once and Keystone not at all. They
 * lie in a private folder, encrypted with a key made of the credential itself: who has another password finds nothing,
 * and a copy of the file is of no use.
 */
export class GrantCache {
  readonly #folder: string;
  readonly #file: string;
  readonly #identity: string;
  readonly #secret: string;
  #key: {readonly salt: string; readonly key: Buffer} | undefined;

  constructor(cloud: Cloud, env: NodeJS.ProcessEnv) {
    this.#identity = identityOf(cloud);
    this.#secret = cloud.login.secret;
    this.#folder = cacheFolder(env);
    const name = createHash('sha256').update(this.#identity).digest('hex').slice(0, 32);
    this.#file = join(this.#folder, `openstack-${name}`);
  }

  async read(): Promise<Grant | undefined> {
    const stored = this.#stored();
    if (stored === undefined) return undefined;
    const bytes = Buffer.from(stored.sealed, 'base64');
    const key = await this.#keyFor(stored.salt);
    try {
      const decipher = createDecipheriv(cipher, key, bytes.subarray(0, nonceBytes));
      decipher.setAAD(Buffer.from(this.#identity));
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      const plain = Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()]);
      return grantOf(JSON.parse(plain.toString('utf8')));
    } catch {
      // Of another credential, or damaged: as if there were none.
      return undefined;
    }
  }

  /** Keeps a grant. A folder that cannot be written costs a further question to Keystone, nothing else. */
  async write(grant: Grant): Promise<void> {
    const salt = this.#key?.salt ?? randomBytes(16).toString('base64');
    const key = await this.#keyFor(salt);
    const nonce = randomBytes(nonceBytes);
    const encipher = createCipheriv(cipher, key, nonce);
    encipher.setAAD(Buffer.from(this.#identity));
    const text = Buffer.concat([encipher.update(JSON.stringify(grant), 'utf8'), encipher.final()]);
    const sealed = Buffer.concat([nonce, encipher.getAuthTag(), text]).toString('base64');
    const temporary = `${this.#file}.${randomBytes(6).toString('hex')}`;
    try {
      mkdirSync(this.#folder, {recursive: true, mode: 0o700});
      if (!isPrivate(this.#folder)) return;
      writeFileSync(temporary, JSON.stringify({salt, sealed}), {mode: 0o600, flag: 'wx'});
      renameSync(temporary, this.#file);
    } catch {
      rmSync(temporary, {force: true});
    }
  }

  /** Throws away what is kept; `token`: only if it is still that one. */
  async forget(token: string): Promise<void> {
    const kept = await this.read();
    if (kept?.token === token) rmSync(this.#file, {force: true});
  }

  #stored(): {readonly salt: string; readonly sealed: string} | undefined {
    try {
      if (!isPrivate(this.#file)) return undefined;
      const stored: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      if (typeof stored !== 'object' || stored === null) return undefined;
      const {salt, sealed} = stored as Readonly<Record<string, unknown>>;
      return typeof salt === 'string' && typeof sealed === 'string' ? {salt, sealed} : undefined;
    } catch {
      return undefined;
    }
  }

  /** scrypt (RFC 7914): a stolen file shall not make guessing passwords cheap. */
  async #keyFor(salt: string): Promise<Buffer> {
    if (this.#key?.salt === salt) return this.#key.key;
    const key = await new Promise<Buffer>((resolve, reject) => {
      scrypt(this.#secret, Buffer.from(salt, 'base64'), 32, (error, made) => {
        if (error === null) resolve(made);
        else reject(error);
      });
    });
    this.#key = {salt, key};
    return key;
  }
}

const cipher = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;

/** Everything that makes another grant, but for the secret. */
function identityOf({authUrl, login, scope, region, interface: face, endpointOverride}: Cloud): string {
  return JSON.stringify([
    1,
    authUrl,
    login.method,
    login.who,
    scope ?? null,
    region ?? '',
    face,
    endpointOverride ?? '',
  ]);
}

function cacheFolder(env: NodeJS.ProcessEnv): string {
  const runtime = textOf(env['XDG_RUNTIME_DIR']);
  if (runtime !== undefined) return join(runtime, 'fgimage');
  return join(textOf(env['XDG_CACHE_HOME']) ?? join(homeOf(env), '.cache'), 'fgimage', 'tokens');
}

/** Whether nobody else can read or replace it. */
function isPrivate(path: string): boolean {
  const {uid, mode} = statSync(path);
  return uid === process.getuid?.() && (mode & 0o077) === 0;
}

function grantOf(value: unknown): Grant | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const {token, expiresAt, projectId, imageUrl} = value as Readonly<Record<string, unknown>>;
  if (typeof token !== 'string' || typeof expiresAt !== 'number') return undefined;
  if (typeof projectId !== 'string' || typeof imageUrl !== 'string') return undefined;
  return {token, expiresAt, projectId, imageUrl};
}
