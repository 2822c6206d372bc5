import {Duplex} from 'node:stream';
import {expect, test} from 'vitest';
import {findForwardedPort} from '../../../src/stages/test/monitor.ts';

const greeting =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}\r\n';
const event = '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "NIC_RX_FILTER_CHANGED"}\r\n';
const table = [
  'Hub -1 (net0):',
  '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ',
  '  TCP[ESTABLISHED]   31     172.16.0.15 40312 169.254.169.254    80     0     0',
  '  TCP[HOST_FORWARD]  13       127.0.0.1 41235     172.16.0.15    22     0     0',
  '  UDP[1 sec]         30     172.16.0.15 38345      172.16.0.3    53     0     0',
  '',
].join('\r\n');

/** A monitor that answers each command with the next reply, in two pieces. */
function monitor(...replies: readonly string[]): Duplex {
  const left = [...replies];
  const stream: Duplex = new Duplex({
    read() {
      // Everything is pushed.
    },
    write(_chunk, _encoding, done) {
      const reply = left.shift() ?? '';
      stream.push(reply.slice(0, 20));
      stream.push(reply.slice(20));
      done();
    },
  });
  stream.push(greeting);
  return stream;
}

test('findForwardedPort() reads the port among greetings, events and other connections', async () => {
  const stream = monitor('{"return": {}}\r\n', `${event}${JSON.stringify({return: table})}\r\n`);
  await expect(findForwardedPort(stream)).resolves.toBe(41235);
});

test('findForwardedPort() fails when no port is forwarded', async () => {
  const stream = monitor('{"return": {}}\r\n', `${JSON.stringify({return: 'Hub -1 (net0):\r\n'})}\r\n`);
  await expect(findForwardedPort(stream)).rejects.toThrow('QEMU does not say which port it forwards');
});

test('findForwardedPort() fails when QEMU ends', async () => {
  const stream = monitor('{"return": {}}\r\n');
  const port = findForwardedPort(stream);
  stream.destroy();
  await expect(port).rejects.toThrow('QEMU does not answer on its monitor');
});
