import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import type {JsonObject} from '../../../src/spec/image.ts';
import type {Artifact, CreateProgress, RegistrarRequest} from '../../../targets/registrar.ts';
import {image} from '../../rig/images.ts';

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What a registrar is opened with. */
export function request(
  parts: Partial<RegistrarRequest> & {readonly register?: JsonObject | undefined},
): RegistrarRequest {
  const {register, ...rest} = parts;
  return {
    image: image(),
    target: 'ova',
    options: register === undefined ? {} : {register},
    name: 'web',
    mark: {digest: digestOf('one'), lineage: 'shop/web/ova'},
    projectDir: '/nowhere',
    env: {},
    signal: new AbortController().signal,
    warn: () => undefined,
    ...rest,
  };
}

/** An artifact of files with these contents, written into a folder; the first is registered. */
export function artifact(folder: string, contents: Readonly<Record<string, string | Buffer>>): Artifact {
  for (const [path, content] of Object.entries(contents)) {
    mkdirSync(dirname(join(folder, path)), {recursive: true});
    writeFileSync(join(folder, path), content);
  }
  const files = Object.keys(contents).map((path) => {
    const bytes = readFileSync(join(folder, path));
    return {path, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex')};
  });
  return {folder, file: files[0]?.path ?? '', format: 'raw', files};
}

/** What was told while something was created. */
export class Told implements CreateProgress {
  readonly ids: string[] = [];
  readonly fractions: number[] = [];
  readonly begun = (id: string): void => void this.ids.push(id);
  readonly report = (_: string, fraction?: number): void => void this.fractions.push(fraction ?? -1);
}
