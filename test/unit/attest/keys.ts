import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

/** A folder with a key that the real ssh-keygen made. */
export class KeyFolder extends TemporaryFolder {
  /** Makes a key; gives the path of its private half. */
  key(name: string, {passphrase = '', type = 'ed25519'}: {passphrase?: string; type?: string} = {}): string {
    const path = this.join(name);
    const words = ['-q', '-t', type, '-N', passphrase, '-C', `${name}@example.org`, '-f', path];
    execFileSync('ssh-keygen', words, {stdio: 'pipe'});
    return path;
  }

  /** The line of a key's `.pub` file. */
  publicLine(name: string): string {
    return readFileSync(this.join(`${name}.pub`), 'utf8').trim();
  }

  /** Type and base64 of a key, without its comment. */
  publicKey(name: string): string {
    return this.publicLine(name).split(' ').slice(0, 2).join(' ');
  }
}
