import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {describe, expect, it} from 'vitest';
import {callXmlRpc, type XmlRpcEndpoint, type XmlRpcValue} from '../../src/clients/xml-rpc.ts';
import {HttpClient} from '../../src/http/client.ts';

/** Python's own XML-RPC server, which answers with what it understood. */
const server = `
import sys
from xmlrpc.server import SimpleXMLRPCServer
from xmlrpc.client import Binary, Fault

def echo(*values):
    return list(values)

def kinds(*values):
    return [type(value).__name__ for value in values]

def refuse():
    raise Fault(7, 'no <b> & \\u2603')

server = SimpleXMLRPCServer(('127.0.0.1', 0), logRequests=False, use_builtin_types=True)
for function in (echo, kinds, refuse):
    server.register_function(function)
print(server.server_address[1], flush=True)
server.serve_forever()
`;

async function withPython<T>(use: (endpoint: XmlRpcEndpoint) => Promise<T>): Promise<T> {
  const child = spawn('python3', ['-c', server], {stdio: ['ignore', 'pipe', 'inherit']});
  const ended = once(child, 'exit');
  try {
    const [port] = (await once(child.stdout, 'data')) as [Buffer];
    const url = new URL(`http://127.0.0.1:${Number(port.toString())}/RPC2`);
    return await use({http: new HttpClient('Python'), url, name: 'Python'});
  } finally {
    child.kill();
    await ended;
  }
}

const signal = AbortSignal.timeout(60_000);

describe('XML-RPC with a server of somebody else', () => {
  it('is understood by Python, and understands it', async () => {
    const params: readonly XmlRpcValue[] = [
      'a <b> & "c" \n \\ ☃ ]]>',
      '',
      -5,
      1.25,
      true,
      false,
      Buffer.from([0, 1, 255]),
      ['x', [1]],
      {a: 1, b: {c: ''}},
    ];
    await withPython(async (endpoint) => {
      expect(await callXmlRpc(endpoint, {method: 'echo', params, signal})).toEqual(params);
      expect(await callXmlRpc(endpoint, {method: 'kinds', params, signal})).toEqual([
        'str',
        'str',
        'int',
        'float',
        'bool',
        'bool',
        'bytes',
        'list',
        'dict',
      ]);
      await expect(callXmlRpc(endpoint, {method: 'refuse', params: [], signal})).rejects.toMatchObject({
        faultCode: 7,
        message: 'The server answers with fault 7: no <b> & ☃',
      });
      await expect(callXmlRpc(endpoint, {method: 'absent', params: [], signal})).rejects.toMatchObject({
        faultCode: 1,
      });
    });
  });

  it('gives up an answer that is too long', async () => {
    await withPython(async (endpoint) => {
      const params = ['x'.repeat(5000)];
      const call = {method: 'echo', params, signal, limitBytes: 4096};
      await expect(callXmlRpc(endpoint, call)).rejects.toThrow('An answer is larger than 4.0 KiB');
    });
  });

  it('sends its body, which may hold a password, to nobody else', async () => {
    const asked: string[] = [];
    const web = createServer(({url = ''}, response) => {
      asked.push(url);
      response.writeHead(307, {location: '/elsewhere', 'content-length': 0}).end();
    });
    web.listen(0, '127.0.0.1');
    await once(web, 'listening');
    const url = new URL(`http://127.0.0.1:${(web.address() as AddressInfo).port}/RPC2`);
    const endpoint = {http: new HttpClient('The server'), url, name: 'The server'};
    await expect(callXmlRpc(endpoint, {method: 'm', params: ['secret'], signal})).rejects.toThrow(
      'm cannot be called: The server answers 307 Temporary Redirect',
    );
    expect(asked).toEqual(['/RPC2']);
    web.close();
  });
});
