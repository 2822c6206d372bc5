import {appendFile, mkdtemp, rm} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import type {BootPlan} from '../../../targets/contract.ts';
import type {CheckResult} from '../../run/events.ts';
import type {ImageTest, Os} from '../../spec/image.ts';
import {findAccelerator} from './accelerator.ts';
import {builtInChecks} from './built-in-checks.ts';
import {type Check, failed} from './check.ts';
import type {BackingFormat} from './disk.ts';
import {type GuestRun, type LoginAttempt, runGuest} from './guest-run.ts';
import {type ServedFile, startBootServer} from './http-server.ts';
import {type KeyedIdentity, makeIdentity} from './instance.ts';
import {keyCheck, keyCheckKind, loginUser} from './instance-checks.ts';
import {startMetadataServers} from './metadata.ts';
import {privateNetwork} from './network.ts';
import {findPlatform} from './platforms/find.ts';
import type {PlatformModule} from './platforms/platform.ts';
import {type Preparation, prepareDisk, prepareNetboot, surroundingsOf} from './prepare.ts';
import type {Accelerator} from './qemu.ts';
import {planText} from './serial-protocol.ts';
import {specCheck} from './spec-checks.ts';
import {logIn, loginCheckName} from './ssh-login.ts';

/**
 * Boots an artifact under QEMU, unchanged and as its infrastructure would, and checks it from inside. The artifact is
 * only read; everything that is written lies in a folder of `workDir` that is removed at the end.
 */
export interface BootRequest {
  readonly plan: BootPlan;
  readonly architecture: Os['architecture'];
  /** Folder that the names in `files` are relative to. */
  readonly artifactDir: string;
  readonly files: BootFiles;
  readonly tests: readonly ImageTest[];
  /** An existing private folder. */
  readonly workDir: string;
  /** The serial console and QEMU's own messages are written here. */
  readonly logPath: string;
  readonly signal: AbortSignal;
  readonly onProgress: (message: string) => void;
  readonly timeoutMs?: number;
}

export interface BootFiles {
  /** Of a disk. */
  readonly disk?: string;
  readonly diskFormat?: BackingFormat;
  /** The kernel command line of a disk that is booted without a loader. */
  readonly cmdline?: string;
  /** Of such a disk too; in a netboot set with the iPXE script that loads the rest. */
  readonly kernel?: string;
  readonly initrd?: string;
  readonly rootfs?: string;
  readonly ipxe?: string;
}

export interface BootReport {
  /** Every check by name, those without a result too. */
  readonly checks: readonly CheckResult[];
  readonly accelerator: Accelerator;
  /** From power-on until systemd had reached its target, or until the end where it never did. */
  readonly bootSeconds: number;
  readonly outcome: 'finished' | 'timed-out' | 'exited';
  /** The end of the serial console. */
  readonly lastLines: readonly string[];
}

/** Emulation takes some minutes, and several guests may share the processors. */
const timeoutsMs: Readonly<Record<Accelerator, number>> = {kvm: 180_000, tcg: 600_000};

/** The share of the time that the guest may wait for systemd, so that the checks after it have some left. */
const waitingShare = 0.75;

const patienceSeconds: Readonly<Record<Accelerator, number>> = {kvm: 15, tcg: 45};

const pingName = 'ping';

/** Rejects when `signal` aborts or the host lacks a tool; whatever the guest does is in the report. */
export async function bootAndCheck(request: BootRequest): Promise<BootReport> {
  const {plan, signal, workDir} = request;
  signal.throwIfAborted();
  const accelerator = await findAccelerator(request.architecture);
  const folder = await mkdtemp(join(workDir, 'boot-'));
  request.onProgress(`preparing to boot (${titleOf(plan)})`);
  try {
    return plan.kind === 'disk'
      ? await bootDisk({request, accelerator, folder, plan})
      : await bootNetwork({request, accelerator, folder});
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

type Boot = Omit<Preparation, 'text'>;

async function bootDisk(
  boot: Boot & {readonly plan: Extract<BootPlan, {kind: 'disk'}>},
): Promise<BootReport> {
  const {request, folder, plan} = boot;
  const {signal} = request;
  const platform = findPlatform(plan.platform);
  const {network} = platform;
  const identity = await makeIdentity(folder, {network, signal});
  await using server = await startBootServer(servedFiles(request));
  const answerer = {address: network.host, port: server.port, path: `${server.folder}/${pingName}`};
  const checks = [
    ...builtInChecks('disk', answerer),
    keyCheck(identity, platform.keyOwner),
    ...platform.checks(identity),
    ...request.tests.map(specCheck),
  ];
  const text = textOf(checks, boot);
  const surroundings = surroundingsOf(platform, {identity, text, architecture: request.architecture});
  await using metadata = await startMetadataServers(surroundings.services ?? [], folder);
  const {forwarded: services} = metadata;
  const machine = await prepareDisk({...boot, text, identity, surroundings, services});
  const login = loginAttempt({platform, identity, patienceMs: patienceSeconds[boot.accelerator] * 1000});
  const run = await runGuest({...guestOptions(boot), machine, checks, login});
  if (metadata.asked.length > 0)
    await appendFile(
      request.logPath,
      `\n${['fgimage: what the guest asked for', ...metadata.asked].join('\n')}\n`,
    );
  return report({plan, checks, run, accelerator: boot.accelerator});
}

async function bootNetwork(boot: Boot): Promise<BootReport> {
  const {request} = boot;
  const served = servedFiles(request);
  await using server = await startBootServer(served);
  const answerer = {address: privateNetwork.host, port: server.port, path: `${server.folder}/${pingName}`};
  const checks = [...builtInChecks('netboot', answerer), ...request.tests.map(specCheck)];
  const machine = await prepareNetboot({...boot, text: textOf(checks, boot), server, served});
  const run = await runGuest({...guestOptions(boot), machine, checks});
  return report({plan: request.plan, checks, run, accelerator: boot.accelerator});
}

/** Machines of another architecture are twice as slow. */
function timeoutOf({request, accelerator}: Boot): number {
  const {architecture, timeoutMs} = request;
  return timeoutMs ?? timeoutsMs[accelerator] * (architecture === 'arm64' ? 2 : 1);
}

function textOf(checks: readonly Check[], boot: Boot): string {
  return planText(
    checks.map((check) => check.request),
    {
      limitSeconds: Math.round((timeoutOf(boot) * waitingShare) / 1000),
      patienceSeconds: patienceSeconds[boot.accelerator],
    },
  );
}

function guestOptions(boot: Boot) {
  const {request, folder} = boot;
  const {plan, logPath, signal, onProgress} = request;
  return {title: titleOf(plan), folder, logPath, signal, onProgress, timeoutMs: timeoutOf(boot)};
}

interface LoginPlan {
  readonly platform: PlatformModule;
  readonly identity: KeyedIdentity;
  readonly patienceMs: number;
}

function loginAttempt({platform, identity, patienceMs}: LoginPlan): LoginAttempt {
  const {keyPath, hostName} = identity;
  return {
    after: keyCheckKind,
    async attempt(facts, port, signal) {
      const user = loginUser(facts, platform.keyOwner);
      if (user === undefined) return failed('nobody has the key');
      return await logIn({user, port, keyPath, hostName, patienceMs, signal});
    },
  };
}

function titleOf(plan: BootPlan): string {
  if (plan.kind === 'netboot') return 'network';
  return plan.firmware === 'uefi' ? 'UEFI' : 'BIOS';
}

function servedFiles({plan, artifactDir, files}: BootRequest): Map<string, ServedFile> {
  const names = plan.kind === 'netboot' ? [files.kernel, files.initrd, files.rootfs, files.ipxe] : [];
  const served = new Map<string, ServedFile>([[pingName, {bytes: Buffer.from('fgimage\n')}]]);
  for (const name of names) {
    if (name !== undefined) served.set(name, {path: resolve(artifactDir, name)});
  }
  return served;
}

interface Finding {
  readonly plan: BootPlan;
  readonly checks: readonly Check[];
  readonly run: GuestRun;
  readonly accelerator: Accelerator;
}

function report({plan, checks, run, accelerator}: Finding): BootReport {
  const {bootSeconds, outcome, lastLines, prompt, login, reason} = run;
  const named = (name: string): string => `${plan.name}: ${name}`;
  const noResult = {passed: false, detail: `no result: ${reason}`};
  const results = checks.map((check, id): CheckResult => {
    const facts = run.facts.get(id);
    return {name: named(check.name), ...(facts === undefined ? noResult : check.judge(facts))};
  });
  const remote = plan.kind === 'disk' ? [{name: named(loginCheckName), ...(login ?? noResult)}] : [];
  const missing = outcome === 'finished' ? failed('none was seen') : noResult;
  const console = {
    name: named('login prompt on the serial console'),
    ...(prompt ? {passed: true} : missing),
  };
  return {checks: [...results, ...remote, console], accelerator, bootSeconds, outcome, lastLines};
}
