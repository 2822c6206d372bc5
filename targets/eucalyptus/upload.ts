import {createHash} from 'node:crypto';
import {join} from 'node:path';
import type {StoredObject} from '../../src/clients/s3-v2.ts';
import {RemoteError} from '../../src/http/error.ts';
import type {Artifact, Mark} from '../registrar.ts';
import {bundleSecret, writeBundle} from './bundle.ts';
import type {SiteAccess} from './credentials.ts';
import {bundlePrefix, manifestKey} from './images.ts';
import {type BundleKind, bundleManifest} from './manifest.ts';
import type {Site} from './site.ts';

export interface UploadRequest {
  readonly site: Site;
  readonly access: SiteAccess;
  readonly mark: Mark;
  readonly artifact: Artifact;
  /** The file of the artifact that is bundled. */
  readonly file: string;
  readonly kind: BundleKind;
  readonly architecture: string;
  /** What an earlier attempt has left. */
  readonly present: readonly StoredObject[];
  readonly signal: AbortSignal;
  readonly onProgress: (fraction: number) => void;
}

/**
 * Bundles a file into the bucket, the manifest last, and gives the manifest's place as `bucket/key`. Parts go from
 * memory to the store. A bundle that was begun is made again, which gives the same bytes: parts that are there with
 * their size and MD5 are kept.
 */
export async function uploadBundle(request: UploadRequest): Promise<string> {
  const {site, access, mark, artifact, kind, present} = request;
  const {bucket, s3} = site;
  const entry = artifact.files.find(({path}) => path === request.file);
  if (entry === undefined) throw new Error(`The artifact has no ${request.file}`);
  const prefix = bundlePrefix(mark, kind);
  const secret = bundleSecret(access.privateKey ?? access.secretAccessKey, entry.sha256);
  const headers = {
    'x-amz-acl': 'aws-exec-read',
    'x-amz-meta-fgimage-digest': mark.digest,
    'x-amz-meta-fgimage-lineage': encodeURI(mark.lineage),
  };
  const put = async (key: string, body: Buffer, md5: string): Promise<void> => {
    if (present.some((one) => one.key === key && one.md5 === md5 && one.sizeBytes === body.length)) return;
    const received = await s3.put({bucket, key, body, md5, headers});
    if (received === undefined || received === md5) return;
    throw new RemoteError(
      'damaged',
      `The object store has other bytes of ${key}: MD5 ${received}, not ${md5}`,
    );
  };
  const bundle = await writeBundle({
    path: join(artifact.folder, request.file),
    sizeBytes: entry.sizeBytes,
    prefix,
    secret,
    signal: request.signal,
    take: ({fileName, md5}, bytes) => put(fileName, bytes, md5),
    onProgress: (readBytes) => request.onProgress(readBytes / Math.max(1, entry.sizeBytes)),
  });
  const manifest = Buffer.from(bundleManifest({...access, ...request, bundle, secret, prefix}));
  const key = manifestKey(prefix);
  const wanted = new Set([key, ...bundle.parts.map(({fileName}) => fileName)]);
  for (const {key: old} of present) {
    if (old.startsWith(`${prefix}.`) && !wanted.has(old)) await s3.remove({bucket, key: old});
  }
  await put(key, manifest, createHash('md5').update(manifest).digest('hex'));
  return `${bucket}/${key}`;
}
