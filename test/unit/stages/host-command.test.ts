import {readdirSync} from 'node:fs';
import {afterEach, describe, expect, it, vi} from 'vitest';
import {hostAptOptions, hostEnvironment, tied} from '../../../src/stages/host-command.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

describe('tied()', () => {
  it('lets a program end with fgimage', () => {
    expect(tied('apt-get', 'update')).toEqual(['setpriv', '--pdeathsig', 'KILL', '--', 'apt-get', 'update']);
  });
});

describe('hostEnvironment()', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('takes over proxies, and nothing else of the environment', () => {
    vi.stubEnv('https_proxy', 'http://proxy.example.org:3128');
    vi.stubEnv('LD_PRELOAD', '/tmp/evil.so');
    vi.stubEnv('PATH', '/somewhere');
    const environment = hostEnvironment();
    expect(environment['https_proxy']).toBe('http://proxy.example.org:3128');
    expect(environment['LD_PRELOAD']).toBeUndefined();
    expect(environment['PATH']).not.toContain('/somewhere');
    expect(environment['LC_ALL']).toBe('C.UTF-8');
  });
});

describe('hostAptOptions()', () => {
  it("gives apt a state of its own below the folder, and nothing of the host's sources and preferences", () => {
    using folder = new TemporaryFolder();
    const options = hostAptOptions(folder.join('apt'));
    expect(readdirSync(folder.join('apt')).sort()).toEqual(['cache', 'log', 'state']);
    for (const kind of ['State', 'Cache', 'Log'])
      expect(options).toContain(`Dir::${kind}=${folder.join('apt', kind.toLowerCase())}`);
    expect(options).toEqual(
      expect.arrayContaining(['Dir::Etc::SourceParts=/dev/null', 'Dir::State::status=/dev/null']),
    );
  });
});
