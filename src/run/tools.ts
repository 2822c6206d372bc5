import {execFileSync} from 'node:child_process';
import {accessSync, constants, realpathSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {Store} from '../../cache/store.ts';
import {digestFile} from '../../cache/tree.ts';
import {programFolders} from '../host/program-folders.ts';

/** A program of the host and what it is: its version's first line and the digest of its file. */
export interface HostTool {
  readonly path: string;
  readonly identity: string;
  readonly version: string;
}

/** Finds programs on the host and tells them apart; what a file's bytes are is remembered by its stat. */
export class HostTools {
  readonly #store: Store;
  readonly #known = new Map<string, HostTool | undefined>();

  constructor(store: Store) {
    this.#store = store;
  }

  find(name: string): HostTool | undefined {
    if (!this.#known.has(name)) this.#known.set(name, this.#look(name));
    return this.#known.get(name);
  }

  /** Every place that was looked into for a program, there or not: what decides which one is found. */
  get places(): readonly string[] {
    return [...this.#known].flatMap(([name, tool]) => {
      const places = programFolders().map((folder) => join(folder, name));
      return tool === undefined ? places : places.slice(0, places.indexOf(tool.path) + 1);
    });
  }

  #look(name: string): HostTool | undefined {
    const path = locate(name);
    if (path === undefined) return undefined;
    const stat = statSync(path);
    const memo = `tool-2:${path}:${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}:${stat.ctimeMs}`;
    const known = this.#store.memo(memo);
    if (known !== undefined) return JSON.parse(known) as HostTool;
    const version = versionOf(name, path);
    const tool: HostTool = {path, version, identity: `${version} sha256:${digestFile(realpathSync(path))}`};
    this.#store.setMemo(memo, JSON.stringify(tool));
    return tool;
  }
}

function locate(name: string): string | undefined {
  for (const folder of programFolders()) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {}
  }
  return undefined;
}

/** The first line that says a version; the libraries a program brings its work from usually carry the same. */
function versionOf(name: string, path: string): string {
  const flag =
    {mke2fs: '-V', mksquashfs: '-version', mmd: '-V', mcopy: '-V', 'mkfs.vfat': '--help'}[name] ??
    '--version';
  try {
    // mke2fs tells it on standard error; `2>&1` without a shell is stdio's business.
    const output = execFileSync('/bin/sh', ['-c', 'exec "$0" "$1" 2>&1 || :', path, flag], {
      encoding: 'utf8',
      env: {LC_ALL: 'C', PATH: '/usr/bin:/bin'},
    });
    return (
      output
        .split('\n')
        .find((line) => /\d/.test(line))
        ?.trim() ?? ''
    );
  } catch {
    return '';
  }
}
