import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {formatDiagnostics} from '../../../src/spec/diagnostic.ts';
import type {Image} from '../../../src/spec/image.ts';
import {type LoadedSpec, loadSpec} from '../../../src/spec/load.ts';

export const repository = fileURLToPath(new URL('../../..', import.meta.url));

export const head = 'version: 1\nname: web\nos: {distribution: debian, release: bookworm}\n';

/** A project folder with these files, removed at the end of the scope. */
export class ProjectFolder {
  readonly dir = mkdtempSync(join(tmpdir(), 'fgimage-spec-'));

  constructor(files: Readonly<Record<string, string>>) {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.dir, path)), {recursive: true});
      writeFileSync(join(this.dir, path), text);
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, {recursive: true, force: true});
  }
}

/** Loads a spec that is right, given as the text of fgimage.yaml or as several files. */
export async function load(files: string | Readonly<Record<string, string>>): Promise<LoadedSpec> {
  using project = new ProjectFolder(typeof files === 'string' ? {'fgimage.yaml': files} : files);
  const result = await loadSpec({file: 'fgimage.yaml', cwd: project.dir});
  if (!result.ok) throw new Error(formatDiagnostics(result.error));
  return result.value;
}

/** The messages of a spec that is wrong, as `line: message`. */
export async function complaints(text: string): Promise<string[]> {
  using project = new ProjectFolder({'fgimage.yaml': text});
  const result = await loadSpec({file: 'fgimage.yaml', cwd: project.dir});
  return result.ok ? [] : result.error.map(({line, message}) => `${line}: ${message}`);
}

export function image(spec: LoadedSpec, name: string): Image {
  const found = spec.images.find((one) => one.name === name);
  if (found === undefined)
    throw new Error(`No image ${name} among ${spec.images.map((one) => one.name).join(', ')}`);
  return found;
}
