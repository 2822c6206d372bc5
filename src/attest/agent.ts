import {once} from 'node:events';
import {connect} from 'node:net';
import {FgError} from '../errors.ts';
import {ed25519Type, type PublicKey} from './public-key.ts';
import {reading, WireError, WireReader, wireNumber, wireString} from './ssh-wire.ts';

/** Message numbers of draft-ietf-sshm-ssh-agent, 6.1. */
const message = {requestIdentities: 11, identities: 12, signRequest: 13, signResponse: 14} as const;
const largestAnswerBytes = 1 << 20;

/** Whether the agent at this socket holds a key. Throws `FgError` where there is no agent. */
export async function agentHolds(socket: string, {blob}: PublicKey): Promise<boolean> {
  const answer = await ask(socket, Buffer.from([message.requestIdentities]));
  const held = reading(() => {
    const reader = new WireReader(answer);
    if (reader.take(1)[0] !== message.identities) throw new WireError('it lists no keys');
    const count = reader.number();
    for (let index = 0; index < count; index += 1) {
      const key = reader.string();
      reader.string(); // The comment.
      if (key.equals(blob)) return true;
    }
    return false;
  });
  if (!held.ok) throw noAgent(socket, held.error);
  return held.value;
}

/** Has the agent sign bytes with an Ed25519 key that it holds. Throws `FgError` where it does not want to. */
export async function agentSign(socket: string, {blob}: PublicKey, data: Buffer): Promise<Buffer> {
  const request = [Buffer.from([message.signRequest]), wireString(blob), wireString(data), wireNumber(0)];
  const answer = await ask(socket, Buffer.concat(request));
  const signature = reading(() => {
    const reader = new WireReader(answer);
    if (reader.take(1)[0] !== message.signResponse)
      throw new WireError('it does not want to sign with this key');
    const inner = new WireReader(reader.string());
    if (inner.text() !== ed25519Type) throw new WireError('it signs with another kind of key');
    return inner.string();
  });
  if (!signature.ok) throw noAgent(socket, signature.error);
  return signature.value;
}

/** One request and its answer: each is a `string` of RFC 4251. */
async function ask(path: string, request: Buffer): Promise<Buffer> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    socket.write(wireString(request));
    let answer = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      answer = Buffer.concat([answer, chunk]);
      const length = answer.length < 4 ? undefined : answer.readUInt32BE();
      if (length === undefined) continue;
      if (length > largestAnswerBytes) throw noAgent(path, 'its answer is too large');
      if (answer.length >= 4 + length) return answer.subarray(4, 4 + length);
    }
    throw noAgent(path, 'it hangs up');
  } catch (error) {
    if (error instanceof FgError) throw error;
    throw noAgent(path, error instanceof Error ? error.message : '', error);
  } finally {
    socket.destroy();
  }
}

function noAgent(path: string, why: string, cause?: unknown): FgError {
  return new FgError('KEY_UNUSABLE', `The SSH agent at ${path} does not help: ${why}`, {
    cause,
    hint: 'Start one with "eval $(ssh-agent)", and give it the key with ssh-add',
  });
}
