import {chmodSync, lstatSync, mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fail, ok} from '../../result.ts';
import {archiveOf} from '../rpm-tree.ts';
import type {StageRunner} from '../stage.ts';
import {installRpms} from './install.ts';

/** The root of a distribution of rpm packages: those that its template names, with what they need, in an empty folder. */
export const runRpmBase: StageRunner = async (context) => {
  const {packages} = context.node.params as unknown as {readonly packages: readonly string[]};
  for (const [name, mode] of mountPoints) {
    mkdirSync(join(context.output, name), {recursive: true});
    chmodSync(join(context.output, name), mode);
  }
  const installed = await installRpms(context, {
    install: packages,
    remove: [],
    archive: archiveOf(context.node),
  });
  if (!installed.ok) return fail({failure: installed.error});
  if (installed.value.known) return ok({result: {}});
  for (const name of moments) rmSync(join(context.output, name), {force: true});
  // Every system has its own (machine-id(5)).
  if (isFolder(join(context.output, 'etc')))
    writeFileSync(join(context.output, 'etc/machine-id'), '', {mode: 0o444});
  return ok({result: {}});
};

/** What the sandbox mounts something on while packages are installed: with the modes that the package `filesystem` gives. */
const mountPoints = [
  ['proc', 0o555],
  ['dev', 0o755],
  ['run', 0o755],
  ['tmp', 0o1777],
  ['var', 0o755],
  ['var/tmp', 0o1777],
] as const;

/** What installing leaves behind that names its moment or its host. */
const moments = [
  'etc/machine-id',
  'etc/passwd-',
  'etc/group-',
  'etc/shadow-',
  'etc/gshadow-',
  'etc/subuid-',
  'etc/subgid-',
  'var/log/dnf.log',
  'var/log/hawkey.log',
];

function isFolder(path: string): boolean {
  return lstatSync(path, {throwIfNoEntry: false})?.isDirectory() === true;
}
