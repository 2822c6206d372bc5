import type {Duplex} from 'node:stream';
import {LineSplitter} from './serial-protocol.ts';

/**
 * Asks a running QEMU at which port of 127.0.0.1 it listens for the guest (QEMU machine protocol, docs/interop/qmp-spec;
 * `info usernet` has no other form than its text). QEMU chooses the port itself: nobody can be quicker.
 */
export async function findForwardedPort(monitor: Duplex): Promise<number> {
  const lines = new LineSplitter();
  const replies: unknown[] = [];
  const text = await new Promise<string>((resolve, reject) => {
    const fail = (): void => reject(new Error('QEMU does not answer on its monitor'));
    monitor.once('error', fail).once('close', fail);
    monitor.on('data', (chunk: Buffer) => {
      for (const line of lines.push(chunk)) replies.push(returned(line));
      const told = replies.find((reply) => typeof reply === 'string');
      if (told !== undefined) resolve(told);
    });
    monitor.write('{"execute": "qmp_capabilities"}\n');
    monitor.write('{"execute": "human-monitor-command", "arguments": {"command-line": "info usernet"}}\n');
  });
  const port = /TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(?<port>\d+)\s/.exec(text)?.groups?.['port'];
  if (port === undefined) throw new Error('QEMU does not say which port it forwards');
  return Number(port);
}

/** The `return` of a reply; events and the greeting have none. */
function returned(line: string): unknown {
  const message: unknown = line.trim() === '' ? undefined : JSON.parse(line);
  return typeof message === 'object' && message !== null && 'return' in message
    ? message['return']
    : undefined;
}
