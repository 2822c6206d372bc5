import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';

/** A folder of a test, removed with its scope. */
export class TemporaryFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'fgimage-test-'));

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.write(files);
  }

  /** Writes files by their paths in the folder. */
  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(this.join(name)), {recursive: true});
      writeFileSync(this.join(name), text);
    }
  }

  join(...names: readonly string[]): string {
    return join(this.path, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, {recursive: true, force: true});
  }
}
