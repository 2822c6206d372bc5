import {chmodSync} from 'node:fs';
import {afterEach, describe, expect, it, vi} from 'vitest';
import {HostTools} from '../../../src/run/tools.ts';
import {TemporaryStore} from '../../rig/stored.ts';

/** A cache beside a folder of programs that comes first in PATH. */
function withPrograms(programs: Readonly<Record<string, string>>): TemporaryStore {
  const cache = new TemporaryStore();
  for (const [name, script] of Object.entries(programs)) {
    cache.folder.write({[`bin/${name}`]: script});
    chmodSync(cache.folder.join('bin', name), 0o755);
  }
  vi.stubEnv('PATH', `${cache.folder.join('bin')}:/usr/bin:/bin`);
  return cache;
}

const tool = (version: string, body = ''): string =>
  `#!/bin/sh\necho "welcome"\necho "tool ${version}"\n${body}`;

describe('HostTools', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('finds a program with the first line that says a version', () => {
    using cache = withPrograms({fgtool: tool('1.2')});
    expect(new HostTools(cache.store).find('fgtool')).toMatchObject({
      path: cache.folder.join('bin/fgtool'),
      version: 'tool 1.2',
    });
  });

  it('finds nothing where there is no such program, or none that can be run', () => {
    using cache = withPrograms({});
    cache.folder.write({'bin/fgplain': ''});
    const tools = new HostTools(cache.store);
    expect([tools.find('fgnothing'), tools.find('fgplain')]).toEqual([undefined, undefined]);
  });

  it('remembers a program by its file and asks again when that has changed', () => {
    using cache = withPrograms({fgtool: tool('1.2', `echo run >> "$0.calls"\n`)});
    const first = new HostTools(cache.store).find('fgtool');
    const second = new HostTools(cache.store).find('fgtool');
    expect(second).toEqual(first);
    cache.folder.write({'bin/fgtool': tool('1.3')});
    const third = new HostTools(cache.store).find('fgtool');
    expect(third?.version).toBe('tool 1.3');
    expect(third?.identity).not.toBe(first?.identity);
  });

  it('tells programs of one version and other bytes apart', () => {
    using cache = withPrograms({fgtool: tool('1.2'), fgsame: tool('1.2', '# patched\n')});
    const tools = new HostTools(cache.store);
    expect(tools.find('fgtool')?.version).toBe(tools.find('fgsame')?.version);
    expect(tools.find('fgtool')?.identity).not.toBe(tools.find('fgsame')?.identity);
  });

  it('gives programs alike the same identity, wherever they lie', () => {
    using one = withPrograms({fgtool: tool('1.2')});
    const first = new HostTools(one.store).find('fgtool');
    using two = withPrograms({fgtool: tool('1.2')});
    const second = new HostTools(two.store).find('fgtool');
    expect(second?.path).not.toBe(first?.path);
    expect(second?.identity).toBe(first?.identity);
  });

  // accessSync(X_OK) holds for folders too.
  it('passes over a folder of the same name', () => {
    using cache = withPrograms({});
    cache.folder.write({'bin/fgtool/file': ''});
    expect(new HostTools(cache.store).find('fgtool')).toBeUndefined();
  });
});
