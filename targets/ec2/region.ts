import {setTimeout as wait} from 'node:timers/promises';
import {type Ec2, openEc2} from '../../src/clients/aws/clients.ts';
import type {AwsAccess} from '../../src/clients/aws/config.ts';
import {awsCall} from '../../src/clients/aws/errors.ts';

export interface CallOptions {
  readonly abortSignal: AbortSignal;
}

/** EC2 in one region. */
export interface Region {
  /** Its code; with other servers than Amazon's whatever they are called by. */
  readonly name: string;
  readonly ec2: Ec2;
  readonly signal: AbortSignal;
  /** Makes one call; what it throws is worded. `action` is the API's name of it. */
  call<T>(action: string, make: (ec2: Ec2, options: CallOptions) => Promise<T>): Promise<T>;
}

export async function openRegion(access: AwsAccess, signal: AbortSignal): Promise<Region> {
  const ec2 = await openEc2(access, 'Registration in EC2');
  const {endpoint} = ec2;
  const name = await ec2.client.config.region();
  const {profile} = access;
  const options = {abortSignal: signal};
  return {
    name,
    ec2,
    signal,
    call: (action, make) =>
      awsCall({service: 'ec2', action, endpoint, profile}, signal, () => make(ec2, options)),
  };
}

const firstPauseMs = 250;
const longestPauseMs = 15_000;

/** Asks again and again, with growing pauses, until there is an answer. Ends with the signal. */
export async function poll<T>(signal: AbortSignal, ask: () => Promise<T | undefined>): Promise<T> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.6, longestPauseMs)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await pause(pauseMs, signal);
  }
}

/** Waits. Throws the signal's reason as soon as it is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await wait(ms, undefined, {signal}).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
}
