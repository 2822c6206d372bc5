import {mkdir, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import type {Disc} from './platforms/platform.ts';
import {requireTool} from './tools.ts';

/** Writes an ISO 9660 disc with Rock Ridge and Joliet names, as clouds do. */
export async function writeDisc(path: string, {label, files}: Disc, signal: AbortSignal): Promise<void> {
  const content = `${path}.d`;
  for (const [name, text] of Object.entries(files)) {
    const file = join(content, name);
    await mkdir(dirname(file), {recursive: true});
    await writeFile(file, text);
  }
  await requireTool('xorriso', ['-as', 'mkisofs', '-quiet', '-V', label, '-J', '-r', '-o', path, content], {
    signal,
  });
}
