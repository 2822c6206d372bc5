import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';

/** GnuPG with a folder of keys that a test makes, and that nobody is asked about. */
export class SigningKeys {
  readonly home: string;

  /** `algorithm` as gpg's --quick-gen-key has it. */
  constructor(
    home: string,
    {names, algorithm}: {readonly names: readonly string[]; readonly algorithm: string},
  ) {
    this.home = home;
    mkdirSync(home, {recursive: true, mode: 0o700});
    for (const name of names)
      this.gpg(['--quick-gen-key', '--passphrase', '', name, algorithm, 'sign', 'never']);
  }

  /** The public key of a name. */
  export(name: string): string {
    return this.gpg(['--armor', '--export', name]);
  }

  gpg(words: readonly string[]): string {
    const common = ['--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase', ''];
    return execFileSync('gpg', ['--homedir', this.home, ...common, ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  }

  /** Ends gpg's agent. */
  close(): void {
    execFileSync('gpgconf', ['--homedir', this.home, '--kill', 'all'], {stdio: 'ignore'});
  }
}
