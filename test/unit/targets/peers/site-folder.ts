import {execFileSync} from 'node:child_process';
import {createHash, createPrivateKey, type KeyObject} from 'node:crypto';
import {mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import type {Artifact, CreateProgress} from '../../../../targets/registrar.ts';
import {TemporaryFolder} from '../../../rig/temporary-folder.ts';

/** What a user of a site has on his host: certificates of his and of the cloud, made by openssl, and an artifact. */
export class SiteFolder extends TemporaryFolder {
  certificates(): {readonly cloudKey: KeyObject; readonly userCertificate: string} {
    made ??= makeCertificates();
    this.write(made);
    return {
      cloudKey: createPrivateKey(made['cloud-key.pem'] ?? ''),
      userCertificate: made['user-cert.pem'] ?? '',
    };
  }

  move(from: string, to: string): void {
    mkdirSync(dirname(this.join(to)), {recursive: true});
    renameSync(this.join(from), this.join(to));
  }

  /** An artifact of these files; the first is the one that is registered. */
  artifact(files: Readonly<Record<string, Buffer>>): Artifact {
    const entries = Object.entries(files).map(([path, bytes]) => {
      writeFileSync(this.join(path), bytes);
      return {path, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex')};
    });
    return {folder: this.path, file: entries[0]?.path ?? '', format: 'raw', files: entries};
  }
}

/** RSA keys take a while: those of a test file are made once. */
let made: Readonly<Record<string, string>> | undefined;

function makeCertificates(): Readonly<Record<string, string>> {
  using folder = new TemporaryFolder();
  const files = ['cloud', 'user'].flatMap((name) => {
    const [key, certificate] = [`${name}-key.pem`, `${name}-cert.pem`];
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`];
    const places = ['-keyout', folder.join(key), '-out', folder.join(certificate)];
    execFileSync('openssl', [...request, ...places], {stdio: 'ignore'});
    return [key, certificate];
  });
  return Object.fromEntries(files.map((name) => [name, readFileSync(folder.join(name), 'utf8')]));
}

/** Keeps what a registrar says while it works. */
export class Progress implements CreateProgress {
  readonly ids: string[] = [];
  readonly messages: string[] = [];

  readonly begun = (id: string): void => {
    this.ids.push(id);
  };

  readonly report = (message: string): void => {
    if (this.messages.at(-1) !== message) this.messages.push(message);
  };
}
