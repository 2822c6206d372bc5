import {randomUUID} from 'node:crypto';
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {join, resolve} from 'node:path';
import type {BootPlan} from '../../../targets/contract.ts';
import type {CheckResult} from '../../run/events.ts';
import type {ImageTest} from '../../spec/image.ts';
import {findAccelerator} from './accelerator.ts';
import {builtInChecks} from './built-in-checks.ts';
import type {Check} from './check.ts';
import {makeOverlay, prepareUefi} from './disk.ts';
import {type GuestRun, runGuest} from './guest-run.ts';
import {type BootServer, type ServedFile, startBootServer} from './http-server.ts';
import {overlayArchive, writeSeed} from './injection.ts';
import {chainScript, hostAddress} from './netboot.ts';
import type {Accelerator, Machine} from './qemu.ts';
import {planText} from './serial-protocol.ts';
import {specCheck} from './spec-checks.ts';

/**
 * Boots an artifact under QEMU, unchanged and as its infrastructure would, and checks it from inside. The artifact is
 * only read; everything that is written lies in a folder of `workDir` that is removed at the end.
 */
export interface BootRequest {
  readonly plan: BootPlan;
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
  readonly diskFormat?: 'qcow2' | 'raw';
  /** Of a netboot set, with the iPXE script that loads the rest. */
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
const timeoutsMs: Readonly<Record<Accelerator, number>> = {kvm: 180_000, tcg: 420_000};

/** The share of the time that the guest may wait for systemd, so that the checks after it have some left. */
const waitingShare = 0.75;

const patienceSeconds: Readonly<Record<Accelerator, number>> = {kvm: 15, tcg: 45};

const pingName = 'ping';
const siteInitrdName = 'fgimage-test.img';

/** Rejects when `signal` aborts or the host lacks a tool; whatever the guest does is in the report. */
export async function bootAndCheck(request: BootRequest): Promise<BootReport> {
  const {plan, signal, tests, workDir} = request;
  signal.throwIfAborted();
  const accelerator = await findAccelerator();
  const timeoutMs = request.timeoutMs ?? timeoutsMs[accelerator];
  const folder = await mkdtemp(join(workDir, 'boot-'));
  const served = servedFiles(request);
  try {
    await using server = await startBootServer(served);
    const answerer = {address: hostAddress, port: server.port, path: `${server.folder}/${pingName}`};
    const checks = [...builtInChecks(plan.kind, answerer), ...tests.map(specCheck)];
    const text = planText(
      checks.map((check) => check.request),
      {
        limitSeconds: Math.round((timeoutMs * waitingShare) / 1000),
        patienceSeconds: patienceSeconds[accelerator],
      },
    );
    request.onProgress(`preparing to boot (${titleOf(plan)})`);
    const machine = await prepare({request, folder, text, accelerator, server, served});
    const run = await runGuest({...request, title: titleOf(plan), machine, folder, checks, timeoutMs});
    return report({plan, checks, run, accelerator});
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
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

interface Preparation {
  readonly request: BootRequest;
  readonly folder: string;
  /** The plan of the checks. */
  readonly text: string;
  readonly accelerator: Accelerator;
  readonly server: BootServer;
  readonly served: Map<string, ServedFile>;
}

async function prepare(preparation: Preparation): Promise<Machine> {
  const {accelerator, request} = preparation;
  const {plan} = request;
  const common = {accelerator, memoryMiB: plan.memoryMiB, processors: Math.min(2, availableParallelism())};
  return plan.kind === 'disk'
    ? {...common, ...(await prepareDisk(preparation, plan.firmware))}
    : {...common, ...(await prepareNetboot(preparation))};
}

async function prepareDisk(
  {request, folder, text}: Preparation,
  firmware: 'bios' | 'uefi',
): Promise<Pick<Machine, 'disks' | 'uefi'>> {
  const {files, artifactDir, signal} = request;
  if (files.disk === undefined) throw new Error('A boot test of a disk needs its file');
  const [overlay, seed] = [join(folder, 'disk.qcow2'), join(folder, 'seed.img')];
  const disk = resolve(artifactDir, files.disk);
  await makeOverlay({disk, format: files.diskFormat ?? 'qcow2', path: overlay, signal});
  await writeSeed(seed, {plan: text, instanceId: `fgimage-${randomUUID()}`, signal});
  return {
    disks: [
      {path: overlay, format: 'qcow2', readOnly: false},
      {path: seed, format: 'raw', readOnly: true},
    ],
    ...(firmware === 'uefi' && {uefi: await prepareUefi(folder)}),
  };
}

async function prepareNetboot({
  request,
  folder,
  text,
  server,
  served,
}: Preparation): Promise<Pick<Machine, 'disks' | 'netboot'>> {
  const {ipxe} = request.files;
  if (ipxe === undefined) throw new Error('A boot test of a netboot set needs its iPXE script');
  served.set(siteInitrdName, {bytes: overlayArchive(text)});
  const tftp = join(folder, 'tftp');
  const baseUrl = `http://${hostAddress}:${server.port}${server.folder}`;
  await mkdir(tftp);
  await writeFile(join(tftp, 'boot.ipxe'), chainScript({baseUrl, script: ipxe, siteInitrd: siteInitrdName}));
  return {disks: [], netboot: {folder: tftp, script: 'boot.ipxe'}};
}

interface Finding {
  readonly plan: BootPlan;
  readonly checks: readonly Check[];
  readonly run: GuestRun;
  readonly accelerator: Accelerator;
}

function report({plan, checks, run, accelerator}: Finding): BootReport {
  const {bootSeconds, outcome, lastLines, login, reason} = run;
  const results = checks.map((check, id): CheckResult => {
    const facts = run.facts.get(id);
    const result = facts === undefined ? {passed: false, detail: `no result: ${reason}`} : check.judge(facts);
    return {name: `${plan.name}: ${check.name}`, ...result};
  });
  const prompt = {
    name: `${plan.name}: login prompt on the serial console`,
    passed: login,
    ...(!login && {detail: outcome === 'finished' ? 'none was seen' : `no result: ${reason}`}),
  };
  return {checks: [...results, prompt], accelerator, bootSeconds, outcome, lastLines};
}
