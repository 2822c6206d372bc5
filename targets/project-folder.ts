import {existsSync} from 'node:fs';
import {join} from 'node:path';

const mainFiles = ['index.mjs', 'index.js'] as const;

/** Whether a folder of the project, `./targets/mine`, holds a target. */
export function isProjectTarget(projectDir: string, type: string): boolean {
  return mainFile(projectDir, type) !== undefined;
}

/** The module of a project's own target. */
export function mainFile(projectDir: string, type: string): string | undefined {
  return mainFiles.map((name) => join(projectDir, type, name)).find((path) => existsSync(path));
}
