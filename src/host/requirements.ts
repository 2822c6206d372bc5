/**
 * The one list of what a host must have, and finding it there. The list is data because scripts/setup.mjs reads it
 * too, before anything is compiled.
 */
import {constants} from 'node:fs';
import {access, readFile, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {packageRoot} from '../package-root.ts';
import {programFolders} from './program-folders.ts';

/** What a tool is there for; a host needs those tools only whose need it has. */
export const needs = [
  'build',
  'openstack',
  'hpc',
  'boot-test',
  'unprivileged',
  'compile',
  'test',
  'arm64',
  'rpm',
] as const;

export type Need = (typeof needs)[number];

export interface Requirement {
  readonly name: string;
  /** Programs that must all be there … */
  readonly commands?: readonly string[];
  /** … or files, one of which must be there: releases of Debian place them differently. */
  readonly files?: readonly string[];
  /** Debian package that brings it. */
  readonly package: string;
  readonly needs: readonly Need[];
  readonly purpose: string;
}

/** Reads src/host/requirements.json. */
export async function readRequirements(): Promise<readonly Requirement[]> {
  const text = await readFile(join(packageRoot, 'src/host/requirements.json'), 'utf8');
  return (JSON.parse(text) as {readonly tools: readonly Requirement[]}).tools;
}

/** Absolute path of a program, or undefined. */
export async function findProgram(
  name: string,
  folders: readonly string[] = programFolders(),
): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    if (await isProgram(path)) return path;
  }
  return undefined;
}

export interface Located {
  /** The first program or file that was found. */
  readonly found?: string;
  /** The first of the programs, or all the files, of which none is there. */
  readonly lacks?: string;
}

/** Looks for all programs of a requirement, or for one of its files. */
export async function locate(
  {commands = [], files = []}: Requirement,
  folders?: readonly string[],
): Promise<Located> {
  const found: string[] = [];
  for (const command of commands) {
    const path = await findProgram(command, folders);
    if (path === undefined) return {lacks: command};
    found.push(path);
  }
  if (files.length > 0) {
    const file = await firstFile(files);
    if (file === undefined) return {lacks: files.join(' or ')};
    found.push(file);
  }
  return found[0] === undefined ? {} : {found: found[0]};
}

async function firstFile(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) if (await isFile(file)) return file;
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  if (!(await isFile(path))) return false;
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}
