import {chmodSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {endpointUrl, isHere, readSession} from '../../../targets/opennebula/credentials.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const silent = (): void => undefined;

function folderWith(files: Readonly<Record<string, string>>): TemporaryFolder {
  const folder = new TemporaryFolder(files);
  for (const name of Object.keys(files)) chmodSync(folder.join(name), 0o600);
  return folder;
}

describe('readSession()', () => {
  it('reads the file of ONE_AUTH, and else the one at home', () => {
    using folder = folderWith({'.one/one_auth': 'home:a\n', other: 'alice:p:w\n\n'});
    expect(readSession({HOME: folder.path, ONE_AUTH: folder.join('other')}, silent)).toEqual({
      secret: 'alice:p:w',
      user: 'alice',
      from: 'the file of ONE_AUTH',
    });
    expect(readSession({HOME: folder.path}, silent)).toMatchObject({secret: 'home:a', user: 'home'});
  });

  it('takes nobody else for who ONE_AUTH was to name', () => {
    using folder = folderWith({'.one/one_auth': 'home:a\n'});
    const env = {HOME: folder.path, ONE_AUTH: 'alice:a-secret'};
    expect(() => readSession(env, silent)).toThrow('ONE_AUTH does not name a file that can be read');
  });

  it.each([['alice'], ['alice:'], [':secret'], ['alice:a\nbob:b'], ['']])(
    'refuses %j without repeating it',
    (text) => {
      using folder = folderWith({one: text});
      const read = (): unknown => readSession({ONE_AUTH: folder.join('one')}, silent);
      expect(read).toThrow(/^the file of ONE_AUTH does not hold "user:password" on one line$/);
    },
  );

  it('warns where others can read the file', () => {
    using folder = folderWith({one: 'alice:a'});
    chmodSync(folder.join('one'), 0o644);
    const warnings: string[] = [];
    readSession({ONE_AUTH: folder.join('one')}, (message) => void warnings.push(message));
    expect(warnings).toEqual(['the file of ONE_AUTH can be read by others: it holds a password']);
  });
});

describe('endpointUrl()', () => {
  it('takes that of the spec before ONE_XMLRPC, one_endpoint and this host', () => {
    using folder = folderWith({'.one/one_endpoint': 'https://file.example.org/RPC2\n'});
    const env = {HOME: folder.path, ONE_XMLRPC: 'https://env.example.org/RPC2'};
    expect(endpointUrl('https://spec.example.org/RPC2', env).host).toBe('spec.example.org');
    expect(endpointUrl(undefined, env).host).toBe('env.example.org');
    expect(endpointUrl(undefined, {HOME: folder.path}).host).toBe('file.example.org');
    expect(endpointUrl(undefined, {HOME: folder.join('empty')}).href).toBe('http://localhost:2633/RPC2');
  });

  it.each(['localhost:2634', 'one.example.org', 'https://alice:secret@one.example.org/RPC2'])(
    'refuses %s without repeating it',
    (text) => {
      expect(() => endpointUrl(text, {})).toThrow(
        /^The endpoint of OpenNebula is not the URL of an XML-RPC service$/,
      );
    },
  );

  it('knows when the front-end is this host', () => {
    const here = ['http://localhost:2633/RPC2', 'http://127.0.0.1/', 'http://[::1]/'];
    expect(here.map((url) => isHere(new URL(url)))).toEqual([true, true, true]);
    expect(isHere(new URL('http://127.example.org/'))).toBe(false);
  });
});
