import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../../src/package-root.ts';
import type {TargetFile} from '../contract.ts';

/** A file of the image whose content lies in `targets/<source>`: `shared/files/sshd.conf`. */
export function fileFrom(source: string, path: string, permissions = '0644'): TargetFile {
  return {path, content: contentOf(source), permissions};
}

/** Every image of a spec has the same files. */
const contents = new Map<string, string>();

function contentOf(source: string): string {
  const known = contents.get(source);
  if (known !== undefined) return known;
  const content = readFileSync(join(packageRoot, 'targets', source), 'utf8');
  contents.set(source, content);
  return content;
}
