import {z} from 'zod';
import {readReference} from '../clients/oci/reference.ts';
import {quote} from './diagnostic.ts';
import {complaint, form} from './fields.ts';
import {plainPath} from './paths.ts';
import type {Reporter} from './report.ts';
import {type Tree, textAt, treeAt} from './tree.ts';

/** `base` of an image: where its root comes from, in the place of a bootstrap. docs/guide/bases.md */
export const Base = z
  .strictObject({
    import: z
      .string()
      .regex(/^[^\p{Cc}\s]+$/u, {
        error: () =>
          complaint('This is nothing that can be imported', 'Name a file of the project, or oci:<image>'),
      })
      .describe(
        'A root file system as tar, a disk as qcow2 or raw, an OCI image as folder or archive: files of the project; or oci:<registry>/<name>@sha256:….',
      ),
    sha256: form(
      /^[0-9a-f]{64}$/,
      'a SHA-256',
      'Write its 64 digits as sha256sum prints them; of an image in a registry, those of its manifest',
    )
      .describe('SHA-256 of the file, of the index.json of a folder, or of the manifest in a registry.')
      .exactOptional(),
  })
  .describe('An existing image to build on, instead of packages of the archive.');

/** `base` with what it means. */
export interface ImageBase {
  /** As it was written, paths plain: a path of the project, or `oci:…`. */
  readonly import: string;
  /** Of the file, the index.json of a folder, or the manifest in a registry: there it is always known. */
  readonly sha256?: string;
}

const scheme = 'oci:';

/** The reference of an image in a registry; undefined for a path of the project. */
export function registryReference(text: string): string | undefined {
  return text.startsWith(scheme) ? text.slice(scheme.length) : undefined;
}

/** The path in the project that an import names; undefined for what is in a registry. */
export function importPath(text: string): string | undefined {
  return registryReference(text) === undefined ? plainPath(text) : undefined;
}

export function normaliseBase({import: source, sha256}: z.infer<typeof Base>): ImageBase {
  const path = importPath(source);
  const digest =
    sha256 ??
    (path === undefined ? /@sha256:(?<digest>[0-9a-f]{64})$/.exec(source)?.groups?.['digest'] : undefined);
  return {import: path ?? source, ...(digest === undefined ? {} : {sha256: digest})};
}

/** What a schema cannot say of `base`. */
export function checkBase(body: Tree, report: Reporter): void {
  const base = treeAt(body, ['base']);
  const source = textAt(base, 'import');
  if (base !== undefined && textAt(body, 'from') !== undefined) {
    report.at(base.site, {
      message: 'The image has both `from` and `base`',
      hint: 'Remove one of them: an image that is built on another has its base',
    });
  }
  if (source !== undefined)
    checkReference(source.value, {sha256: textAt(base, 'sha256')?.value, at: source, report});
}

function checkReference(
  text: string,
  {sha256, at, report}: {readonly sha256: string | undefined; readonly at: Tree; readonly report: Reporter},
): void {
  const reference = registryReference(text);
  if (reference === undefined) return;
  const found = readReference(reference);
  if (!found.ok) {
    report.at(at.site, {
      message: `${quote(text)} is no image in a registry: ${found.error}`,
      hint: 'Write host, name and tag or digest: oci:registry.example.org/team/image@sha256:…',
    });
    return;
  }
  const {version} = found.value;
  if (!version.startsWith('sha256:') && sha256 === undefined) {
    report.at(at.site, {
      message: `${quote(text)} may be another image tomorrow: its digest is not said`,
      hint: 'Write `sha256: …` beside it, or end it with @sha256:… in the place of the tag',
    });
  }
  if (sha256 !== undefined && version.startsWith('sha256:') && version !== `sha256:${sha256}`) {
    report.at(at.site, {
      message: `${quote(text)} and \`sha256\` name two images`,
      hint: 'Remove `sha256`',
    });
  }
}
