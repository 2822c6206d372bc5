import {brief, type Check, fact, failed, passed, type Verdict, verdict} from './check.ts';
import {type Facts, textWord} from './serial-protocol.ts';

/** What every image must do when it boots, whatever its spec says. */
export function builtInChecks(kind: 'disk' | 'netboot', answerer: Answerer): readonly Check[] {
  const common = [systemCheck, unitsCheck, networkCheck(answerer), identityCheck, hostKeysCheck];
  return kind === 'disk' ? [...common, rootGrownCheck, cloudInitCheck] : [...common, rootInRamCheck];
}

/** Where the host answers to the guest. */
export interface Answerer {
  readonly address: string;
  readonly port: number;
  /** Path that answers 200. */
  readonly path: string;
}

const systemCheck: Check = {
  name: 'systemd reached its target',
  request: {kind: 'system', words: []},
  judge(facts) {
    const state = fact(facts, 'state');
    const target = fact(facts, 'target');
    if (state === 'starting')
      return failed(`still waiting for ${brief(fact(facts, 'jobs')) || 'its first jobs'}`);
    if (fact(facts, 'active') !== 'active')
      return failed(`${target} is ${fact(facts, 'active') || 'unknown'}`);
    if (state !== 'running' && state !== 'degraded') return failed(`the system is ${state || 'unknown'}`);
    return {passed: true, detail: target};
  },
};

const unitsCheck: Check = {
  name: 'no failed unit',
  request: {kind: 'units', words: []},
  judge(facts) {
    if (!facts.has('failed')) return failed('systemd gave no list of units');
    return fact(facts, 'failed') === '' ? passed : failed(brief(fact(facts, 'why'), 1000));
  },
};

function networkCheck({address, port, path}: Answerer): Check {
  return {
    name: 'network is up',
    request: {kind: 'network', words: [address, String(port), path].map(textWord)},
    judge(facts) {
      if (fact(facts, 'route') !== 'yes') return failed('there is no default route');
      const answer = fact(facts, 'answer');
      if (/^HTTP\/1\.[01] 200\b/.test(answer)) return passed;
      return failed(`the host did not answer: ${brief(answer || fact(facts, 'error')) || 'no reply'}`);
    },
  };
}

const identityCheck: Check = {
  name: 'machine-id is set',
  request: {kind: 'identity', words: []},
  judge(facts) {
    const id = fact(facts, 'id').trim();
    if (!/^[0-9a-f]{32}$/.test(id)) return failed(`/etc/machine-id holds "${brief(id)}"`);
    return /^0+$/.test(id) ? failed('/etc/machine-id is all zeros') : passed;
  },
};

/** The clock of a guest without a time server hardly moves against its own boot time. */
const clockSlackSeconds = 5;

const hostKeysCheck: Check = {
  name: 'ssh host keys are of this boot',
  request: {kind: 'host_keys', words: []},
  judge(facts) {
    if (fact(facts, 'server') === 'no') return {passed: true, detail: 'no SSH server'};
    if (Number(fact(facts, 'keys')) === 0) return failed('the SSH server has no host key');
    const age = Number(fact(facts, 'boot')) - Number(fact(facts, 'oldest'));
    return age > clockSlackSeconds
      ? failed(`a host key is ${age} s older than the boot: it is in the image`)
      : passed;
  },
};

const rootGrownCheck: Check = {
  name: 'root file system grown to the disk',
  request: {kind: 'root', words: []},
  judge: judgeRoot,
};

const sectorBytes = 512;
const mebibyte = 1024 * 1024;

/** Partition to within 16 MiB of the disk's end; file system to within a tenth of the partition, for its own tables. */
function judgeRoot(facts: Facts): Verdict {
  const [start = 0, partition, disk] = ['start', 'partition', 'disk'].map(
    (name) => Number(fact(facts, name)) * sectorBytes,
  );
  const fileSystem = Number(fact(facts, 'kib')) * 1024;
  if (!partition || !disk || !fileSystem || (!start && partition !== disk))
    return failed(`the root is on ${brief(fact(facts, 'source'))}, not on a disk or a partition`);
  const mebibytes = (bytes: number): string => `${Math.round(bytes / mebibyte)} MiB`;
  return verdict([
    disk - start - partition > 16 * mebibyte
      ? `the partition ends at ${mebibytes(start + partition)} of ${mebibytes(disk)}`
      : undefined,
    fileSystem < partition * 0.9
      ? `the file system has ${mebibytes(fileSystem)} of the partition's ${mebibytes(partition)}`
      : undefined,
  ]);
}

const cloudInitCheck: Check = {
  name: 'cloud-init is done',
  request: {kind: 'cloud_init', words: []},
  judge(facts) {
    const status = fact(facts, 'status');
    // An image of a cloud with an agent of its own may have none.
    if (status === 'absent') return {passed: true, detail: 'no cloud-init'};
    return /^status: done$/m.test(status) ? passed : failed(brief(status, 500) || 'no status');
  },
};

const rootInRamCheck: Check = {
  name: 'root is in RAM and writable',
  request: {kind: 'mounts', words: []},
  judge(facts) {
    const mounts = fact(facts, 'mounts').split('\n');
    const root = mounts.findLast((mount) => mount.startsWith('/ '));
    const foreign = mounts.filter((mount) => / (ext[234]|xfs|btrfs|nfs4?)$/.test(mount));
    return verdict([
      root === '/ overlay' ? undefined : `the root is ${root?.slice(2) ?? 'unknown'}, not an overlay`,
      mounts.some((mount) => / (squashfs|erofs)$/.test(mount))
        ? undefined
        : 'no read-only root image is mounted',
      mounts.some((mount) => mount.endsWith(' ramfs')) ? undefined : 'the root image is not in RAM',
      foreign.length === 0 ? undefined : `also mounted: ${brief(foreign.join(', '))}`,
      fact(facts, 'writable') === 'yes' ? undefined : 'the root is not writable',
    ]);
  },
};
