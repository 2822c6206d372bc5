import {existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {digestFile} from '../../cache/tree.ts';
import {FgError, isErrno} from '../errors.ts';
import {inTotoType, signEnvelope} from './dsse.ts';
import {provenanceFile} from './provenance.ts';
import type {Signer} from './signer.ts';
import {signSsh} from './sshsig.ts';
import {type Sum, sumsText} from './sums.ts';

/** What signing puts beside an artifact. */
export const sumsFile = 'SHA256SUMS';
export const signatureFile = 'SHA256SUMS.sig';
export const envelopeFile = 'provenance.intoto.dsse.json';
const ownFiles: readonly string[] = [sumsFile, signatureFile, envelopeFile];

/**
 * Signs a set of files that was handed out: SHA256SUMS of all its files and an SSH signature of that, and a DSSE
 * envelope of its provenance. Throws `FgError` for a set that is no longer what was built.
 */
export async function signSet(folder: string, signer: Signer): Promise<readonly string[]> {
  const sums = filesToSign(folder).map((path): Sum => ({path, sha256: digestFile(join(folder, path))}));
  refuseChanged(folder, sums);
  const text = sumsText(sums);
  const provenance = join(folder, provenanceFile);
  const written: [name: string, text: string][] = [
    [sumsFile, text],
    [signatureFile, await signSsh(Buffer.from(text), signer)],
  ];
  if (existsSync(provenance)) {
    const envelope = await signEnvelope(inTotoType, readFileSync(provenance), signer);
    written.unshift([envelopeFile, envelope]);
  }
  // An older signature does not stand beside newer sums, not even for a moment.
  rmSync(join(folder, signatureFile), {force: true});
  for (const [name, content] of written) write(join(folder, name), content);
  return written.map(([name]) => name);
}

/** All files of a set but those that signing adds, by path, sorted. */
export function filesToSign(folder: string): readonly string[] {
  const visit = (prefix: string): readonly string[] =>
    readdirSync(join(folder, prefix), {withFileTypes: true}).flatMap((entry) => {
      const path = `${prefix}${entry.name}`;
      return entry.isDirectory() ? visit(`${path}/`) : [path];
    });
  return visit('')
    .filter((path) => !ownFiles.includes(path))
    .sort();
}

/** manifest.json tells what was built: nothing else gets a signature. */
function refuseChanged(folder: string, sums: readonly Sum[]): void {
  const told = toldFiles(folder);
  const found = new Map(sums.map(({path, sha256}) => [path, sha256]));
  const mend = 'Build it again, and sign what comes out';
  for (const {path, sha256} of told) {
    const digest = found.get(path);
    if (digest === undefined)
      throw new FgError('SIGNATURE_REFUSED', `${path} of ${folder} is missing`, {hint: mend});
    if (digest !== sha256)
      throw new FgError('SIGNATURE_REFUSED', `${path} of ${folder} is not what was built`, {hint: mend});
  }
  const known = new Set(['manifest.json', provenanceFile, ...told.map(({path}) => path)]);
  const stray = sums.find(({path}) => !known.has(path));
  if (stray === undefined) return;
  throw new FgError('SIGNATURE_REFUSED', `${stray.path} in ${folder} is no part of what was built`, {
    hint: 'Put it somewhere else, or build again',
  });
}

/** Files and documents as manifest.json has them. Throws `FgError` where there is none. */
function toldFiles(folder: string): readonly Sum[] {
  try {
    const {files = [], documents = []} = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      readonly files?: readonly Sum[];
      readonly documents?: readonly Sum[];
    };
    return [...files, ...documents];
  } catch (error) {
    if (!(error instanceof SyntaxError) && !isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
    throw new FgError('NOT_BUILT', `${folder} holds no manifest.json that can be read`, {
      cause: error,
      hint: 'Build the image first: fgimage build',
    });
  }
}

function write(path: string, text: string): void {
  const fresh = `${path}.${String(process.pid)}`;
  try {
    writeFileSync(fresh, text);
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, {force: true});
    if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS')) throw error;
    throw new FgError('OUTPUT_UNUSABLE', `Cannot write ${path}`, {
      cause: error,
      hint: 'Sign as a user who may write there',
    });
  }
}
