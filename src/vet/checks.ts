import type {Check} from './check.ts';
import {authorizedKeys} from './checks/authorized-keys.ts';
import {cloudCredentials} from './checks/cloud-credentials.ts';
import {historiesAndLogs} from './checks/histories-and-logs.ts';
import {machineId} from './checks/machine-id.ts';
import {packageSources} from './checks/package-sources.ts';
import {emptyPasswords, passwordHashes} from './checks/passwords.ts';
import {privateKeys} from './checks/private-keys.ts';
import {setuid} from './checks/setuid.ts';
import {sshHostKeys} from './checks/ssh-host-keys.ts';
import {worldWritable} from './checks/world-writable.ts';

/** All checks, in the order of `checkNames`. A new one raises the number of `vet` in src/plan/plan.ts. */
export const checks: readonly Check[] = [
  sshHostKeys,
  authorizedKeys,
  machineId,
  passwordHashes,
  emptyPasswords,
  privateKeys,
  cloudCredentials,
  historiesAndLogs,
  worldWritable,
  setuid,
  packageSources,
];
