import {chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-login-'));
  vi.stubEnv('PATH', `${folder}:${process.env['PATH'] ?? ''}`);
  // What programs see of the environment is settled when the module is loaded.
  vi.resetModules();
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, {recursive: true, force: true});
});

/** An ssh that fails `failures` times, then says `answer`. */
function fakeSsh(answer: string, failures = 0): void {
  const path = join(folder, 'ssh');
  writeFileSync(
    path,
    `#!/bin/sh
printf '%s\\n' "$@" > ${folder}/arguments
echo call >> ${folder}/calls
if [ "$(wc -l < ${folder}/calls)" -le ${String(failures)} ]; then echo "Permission denied" >&2; exit 255; fi
printf '${answer}'
`,
  );
  chmodSync(path, 0o755);
}

async function logIn(patienceMs: number) {
  const module = await import('../../../src/stages/test/ssh-login.ts');
  return await module.logIn({
    user: 'debian',
    port: 2222,
    keyPath: '/boot folder/key',
    hostName: 'fgi-1',
    patienceMs,
    signal: new AbortController().signal,
  });
}

describe('logIn()', () => {
  test('runs ssh with the key of the instance and nothing of the user', async () => {
    fakeSsh('debian\\nfgi-1.novalocal\\n');

    expect(await logIn(0)).toEqual({passed: true, detail: 'as debian'});
    const args = readFileSync(join(folder, 'arguments'), 'utf8').trim().split('\n');
    expect(args.slice(0, 6)).toEqual(['-F', '/dev/null', '-i', '/boot folder/key', '-p', '2222']);
    expect(args).toEqual(
      expect.arrayContaining(['IdentityAgent=none', 'IdentitiesOnly=yes', 'UserKnownHostsFile=/dev/null']),
    );
    expect(args.slice(-3)).toEqual(['--', 'debian@127.0.0.1', 'id -un; uname -n']);
  });

  test('tries again while there is patience', async () => {
    fakeSsh('debian\\nfgi-1\\n', 1);

    expect(await logIn(30_000)).toEqual({passed: true, detail: 'as debian'});
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe('call\ncall\n');
  });

  test.each([
    ['another machine', 'debian\\nhost\\n', 0, 'it ended on "host", not on fgi-1'],
    ['another user', 'root\\nfgi-1\\n', 0, 'it is "root", not debian'],
    ['a refusal', '', 9, 'Permission denied'],
  ])('fails on %s', async (_what, answer, failures, detail) => {
    fakeSsh(answer, failures);

    expect(await logIn(0)).toEqual({passed: false, detail});
  });
});
