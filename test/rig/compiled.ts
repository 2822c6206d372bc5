import {existsSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

/** The repository. */
export const repository = fileURLToPath(new URL('../..', import.meta.url));

/** A compiled module of the repository, for tests that need it in a process of its own. */
export function compiled(module: string): string {
  const path = fileURLToPath(new URL(`../../dist/${module}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} is not there. Compile first: npm run build`);
  return path;
}
