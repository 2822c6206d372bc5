import {setTimeout as delay} from 'node:timers/promises';
import {brief, failed, type Verdict} from './check.ts';
import {runTool} from './tools.ts';

export interface LoginRequest {
  readonly user: string;
  /** Of 127.0.0.1. */
  readonly port: number;
  readonly keyPath: string;
  /** What the machine must call itself, so that it is known to be the guest. */
  readonly hostName: string;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

export const loginCheckName = "login by SSH with the instance's key";

/** Nothing of the user's own: no configuration, no agent, no known hosts. */
const sshOptions: readonly string[] = [
  'BatchMode=yes',
  'ConnectTimeout=60',
  'GlobalKnownHostsFile=/dev/null',
  'IdentitiesOnly=yes',
  'IdentityAgent=none',
  'LogLevel=ERROR',
  'PreferredAuthentications=publickey',
  'StrictHostKeyChecking=no',
  'UserKnownHostsFile=/dev/null',
];

/** An emulated guest on a busy host needs its time for the keys. */
const attemptMs = 120_000;

/** Logs in with ssh(1) from this host, and asks who and where it is. */
export async function logIn(request: LoginRequest): Promise<Verdict> {
  const {user, port, keyPath, patienceMs, signal} = request;
  const args = [
    ...['-F', '/dev/null', '-i', keyPath, '-p', String(port), '-T', '-n'],
    ...sshOptions.flatMap((option) => ['-o', option]),
    ...['--', `${user}@127.0.0.1`, 'id -un; uname -n'],
  ];
  const until = performance.now() + patienceMs;
  for (;;) {
    const {exitCode, stdout, stderr} = await runTool('ssh', args, {signal, timeoutMs: attemptMs});
    if (exitCode === 0) return judge(stdout, request);
    if (performance.now() >= until) return failed(brief(stderr) || 'ssh gave up without a word');
    await delay(1000, undefined, {signal});
  }
}

function judge(stdout: string, {user, hostName}: LoginRequest): Verdict {
  const [who = '', where = ''] = stdout.trim().split('\n').slice(-2);
  if (where.split('.', 1)[0] !== hostName) return failed(`it ended on "${brief(where)}", not on ${hostName}`);
  return who === user ? {passed: true, detail: `as ${user}`} : failed(`it is "${brief(who)}", not ${user}`);
}
