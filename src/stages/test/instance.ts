import {randomBytes} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {GuestNetwork} from './network.ts';
import type {Identity} from './platforms/platform.ts';
import {requireTool} from './tools.ts';

export interface KeyedIdentity extends Identity {
  /** The private key, for this boot only. */
  readonly keyPath: string;
}

/** An instance that has never been: an id, a name and an Ed25519 key of its own, which is put into `folder`. */
export async function makeIdentity(
  folder: string,
  {network, signal}: {readonly network: GuestNetwork; readonly signal: AbortSignal},
): Promise<KeyedIdentity> {
  const id = randomBytes(9).toString('hex').slice(0, 17);
  const keyPath = join(folder, 'key');
  await requireTool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'fgimage', '-f', keyPath], {
    signal,
  });
  const publicKey = (await readFile(`${keyPath}.pub`, 'utf8')).trim();
  const macAddress = ['52', '54', '00', ...(id.slice(0, 6).match(/../g) ?? [])].join(':');
  return {id, hostName: `fgi-${id.slice(0, 8)}`, publicKey, keyPath, macAddress, network};
}
