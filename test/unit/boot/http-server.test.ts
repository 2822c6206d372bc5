import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {request} from 'node:http';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {startBootServer} from '../../../src/stages/test/http-server.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fgimage-http-'));
  writeFileSync(join(folder, 'vmlinuz'), 'kernel');
  writeFileSync(join(folder, 'secret'), 'secret');
});

afterEach(() => {
  rmSync(folder, {recursive: true, force: true});
});

interface Answer {
  readonly status: number | undefined;
  readonly body: string;
}

/** Sends a path as it is, which fetch() would tidy up first. */
async function ask(port: number, path: string, method = 'GET'): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    request({host: '127.0.0.1', port, path, method}, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => resolve({status: response.statusCode, body}));
    })
      .on('error', reject)
      .end();
  });
}

test('startBootServer() serves the files of its table and nothing else', async () => {
  const files = new Map([
    ['vmlinuz', {path: join(folder, 'vmlinuz')}],
    ['gone', {path: join(folder, 'gone')}],
    ['extra.img', {bytes: Buffer.from('bytes')}],
  ]);
  await using server = await startBootServer(files);
  const {port, folder: root} = server;

  expect(await ask(port, `${root}/vmlinuz`)).toEqual({status: 200, body: 'kernel'});
  expect(await ask(port, `${root}/extra.img`)).toEqual({status: 200, body: 'bytes'});
  expect(await ask(port, `${root}/vmlinuz`, 'HEAD')).toEqual({status: 200, body: ''});
  for (const path of [
    '/',
    root,
    `${root}/`,
    '/vmlinuz',
    `${root}/secret`,
    `${root}/../secret`,
    `${root}/%2e%2e/secret`,
  ]) {
    expect(await ask(port, path)).toEqual({status: 404, body: ''});
  }
  expect(await ask(port, `${root}/vmlinuz`, 'PUT')).toEqual({status: 405, body: ''});
  await expect(ask(port, `${root}/gone`)).rejects.toThrow();
  expect((await ask(port, `${root}/vmlinuz`)).status).toBe(200);
});
