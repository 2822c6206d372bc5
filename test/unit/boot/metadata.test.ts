import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {startMetadataServers, textAnswer} from '../../../src/stages/test/metadata.ts';

let root = '';
let folder = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fgimage-metadata-'));
  // Longer than a socket's path may be.
  folder = join(root, 'deep'.repeat(20), 'deeper'.repeat(10));
  mkdirSync(folder, {recursive: true});
});

afterEach(() => {
  rmSync(root, {recursive: true, force: true});
});

const service = {
  address: '169.254.169.254',
  port: 80,
  answer: ({method, path}: {method: string; path: string}) =>
    path === '/yes' ? textAnswer(`${method}\n`) : {status: 404},
};

/** Talks as a guest does, by way of the command that QEMU starts. */
function connect(command: string) {
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  return {child, gone: once(child, 'close'), said: () => said};
}

describe('startMetadataServers()', () => {
  test('answers through the relay, and notes what was asked', async () => {
    await using servers = await startMetadataServers([service], folder);
    const {child, gone, said} = connect(servers.forwarded[0]?.command ?? '');
    child.stdin.write('GET /yes HTTP/1.1\r\nHost: x\r\n\r\nPUT /no?x=1 HTTP/1.1\r\nHost: x\r\n');
    child.stdin.end('Content-Length: 2\r\nConnection: close\r\n\r\nab');
    await gone;
    expect(said()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(said()).toContain('GET\n');
    expect(said()).toContain('HTTP/1.1 404 Not Found\r\n');
    expect(servers.asked).toEqual(['169.254.169.254: GET /yes 200', '169.254.169.254: PUT /no?x=1 404']);
    expect(servers.forwarded).toEqual([
      {address: '169.254.169.254', port: 80, command: 'perl relay.pl service-0.sock'},
    ]);
  });

  test('ends with its relays when it is disposed of', async () => {
    const servers = await startMetadataServers([service], folder);
    const {child, gone, said} = connect(servers.forwarded[0]?.command ?? '');
    child.stdin.write('GET /yes HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(child.stdout, 'data');
    await servers[Symbol.asyncDispose]();
    await gone;
    expect(said()).toContain('200 OK');
    expect(readdirSync(folder)).toEqual(['relay.pl']);
  });

  test('leaves nothing where there is no service', async () => {
    await using servers = await startMetadataServers([], folder);
    expect(servers.forwarded).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});
