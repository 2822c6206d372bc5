import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {inject} from 'vitest';

/**
 * A root of Debian 13 with python3-botocore, whose published models the strict peer checks by, and python3-moto. It is
 * unpacked and not configured, which is enough for Python; made once in a test run, or by two files at once, of which one
 * then has the name.
 */
export function motoRoot(): string {
  const finished = join(inject('testRoot'), 'moto-root');
  if (existsSync(finished)) return finished;
  const root = mkdtempSync(`${finished}-`);
  const packages = ['python3-moto', 'python3-flask', 'python3-flask-cors', 'base-files', 'libc-bin'];
  execFileSync('mmdebstrap', ['--variant=extract', `--include=${packages.join(',')}`, 'trixie', root], {
    stdio: 'pipe',
  });
  // What the package's own script would have made; Python's requests wants it at its start.
  const authorities = join(root, 'usr/share/ca-certificates/mozilla');
  const bundle = readdirSync(authorities).map((name) => readFileSync(join(authorities, name), 'utf8'));
  writeFileSync(join(root, 'etc/ssl/certs/ca-certificates.crt'), bundle.join(''));
  try {
    renameSync(root, finished);
  } catch {
    rmSync(root, {recursive: true, force: true});
  }
  return finished;
}
