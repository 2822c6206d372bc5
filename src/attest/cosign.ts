import {createPublicKey, type KeyObject, verify} from 'node:crypto';
import type {OciReference} from '../clients/oci/reference.ts';
import {manifestType, type Registry, type Stored, stored} from '../clients/oci/registry.ts';
import {fail, ok, type Result} from '../result.ts';
import {readPublicKeyLine} from './public-key.ts';
import type {Signer} from './signer.ts';

/**
 * cosign's signatures in a registry (sigstore/cosign, specs/SIGNATURE_SPEC.md): a manifest under the tag
 * `sha256-<digest>.sig`, each of whose layers is a payload with its signature in an annotation.
 */
const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';
const signatureAnnotation = 'dev.cosignproject.cosign/signature';
const configType = 'application/vnd.oci.image.config.v1+json';
const kindOfPayload = 'cosign container image signature';

interface Descriptor {
  readonly mediaType: string;
  readonly size: number;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface SignedOci {
  readonly digest: string;
  /** Whether this key had signed it before; then nothing was written. */
  readonly wasSigned: boolean;
}

export type OciProblem =
  | {readonly reason: 'no-artifact'}
  | {readonly reason: 'not-signed'; readonly digest: string}
  | {readonly reason: 'no-signature-counts'; readonly digest: string; readonly details: readonly string[]};

/** Signs what a tag or a digest stands for, beside the signatures that are there. */
export async function signOci(
  reference: OciReference,
  {registry, signer}: {registry: Registry; signer: Signer},
): Promise<Result<SignedOci, OciProblem>> {
  const artifact = await findArtifact(reference, registry);
  if (artifact === undefined) return fail({reason: 'no-artifact'});
  const {digest} = artifact;
  const payload = stored(payloadOf(reference, digest));
  const signature = (await signer.sign(payload.bytes)).toString('base64');
  const layers = layersOf(await registry.manifest(signatureTag(digest)));
  // Ed25519 gives the same signature each time.
  if (layers.some((layer) => layer.annotations?.[signatureAnnotation] === signature))
    return ok({digest, wasSigned: true});
  const layer = descriptor(payload, payloadType, {[signatureAnnotation]: signature});
  const all = [...layers, layer];
  const config = stored(configOf(all));
  await registry.putBlob(payload);
  await registry.putBlob(config);
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor(config, configType),
    layers: all,
  };
  await registry.putManifest(signatureTag(digest), Buffer.from(JSON.stringify(manifest)));
  return ok({digest, wasSigned: false});
}

/** Finds a signature of one of the keys over what a tag or a digest stands for. */
export async function verifyOci(
  reference: OciReference,
  {registry, key}: {registry: Registry; key: KeyObject},
): Promise<Result<{readonly digest: string}, OciProblem>> {
  const artifact = await findArtifact(reference, registry);
  if (artifact === undefined) return fail({reason: 'no-artifact'});
  const {digest} = artifact;
  const layers = layersOf(await registry.manifest(signatureTag(digest)));
  if (layers.length === 0) return fail({reason: 'not-signed', digest});
  const details: string[] = [];
  for (const layer of layers) {
    const wrong = await layerProblem(layer, {registry, key, digest});
    if (wrong === undefined) return ok({digest});
    details.push(wrong);
  }
  return fail({reason: 'no-signature-counts', digest, details});
}

/** A public key to check with: PEM as `openssl` and cosign write it, or a line of a `.pub` file. */
export function readVerifyKey(text: string): Result<KeyObject, string> {
  if (!text.startsWith('-----BEGIN')) {
    const line = readPublicKeyLine(text);
    return line.ok ? ok(line.value.key) : line;
  }
  try {
    const key = createPublicKey(text);
    const type = key.asymmetricKeyType ?? 'unknown';
    return ['ed25519', 'ec', 'rsa'].includes(type) ? ok(key) : fail(`it is of the type ${type}`);
  } catch {
    return fail('it is no PEM of a public key');
  }
}

async function layerProblem(
  {mediaType, digest: payloadDigest, annotations}: Descriptor,
  {registry, key, digest}: {registry: Registry; key: KeyObject; digest: string},
): Promise<string | undefined> {
  const signature = annotations?.[signatureAnnotation];
  if (mediaType !== payloadType || signature === undefined) return 'a layer is no signature of cosign';
  const payload = await registry.blob(payloadDigest);
  if (payload?.digest !== payloadDigest) return 'a payload is missing or damaged';
  if (!isSigned(payload.bytes, Buffer.from(signature, 'base64'), key)) return 'a signature is of another key';
  return signedDigest(payload.bytes) === digest ? undefined : 'a signature is for another artifact';
}

/** Ed25519 over the payload itself, ECDSA and RSA over its SHA-256. */
function isSigned(payload: Buffer, signature: Buffer, key: KeyObject): boolean {
  return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, key, signature);
}

/** The digest that a payload speaks of (containers/image, simple signing). */
function signedDigest(payload: Buffer): string | undefined {
  const {type, image} = (member(parse(payload), 'critical') ?? {}) as {
    readonly type?: unknown;
    readonly image?: unknown;
  };
  const digest = member(image, 'docker-manifest-digest');
  return type === kindOfPayload && typeof digest === 'string' ? digest : undefined;
}

function payloadOf({host, repository}: OciReference, digest: string): Buffer {
  const critical = {
    identity: {'docker-reference': `${host}/${repository}`},
    image: {'docker-manifest-digest': digest},
    type: kindOfPayload,
  };
  return Buffer.from(JSON.stringify({critical, optional: null}));
}

/** By the bytes that came, whatever the registry calls them. */
async function findArtifact({version}: OciReference, registry: Registry): Promise<Stored | undefined> {
  const found = await registry.manifest(version);
  return version.startsWith('sha256:') && found?.digest !== version ? undefined : found;
}

function signatureTag(digest: string): string {
  return `${digest.replace(':', '-')}.sig`;
}

/** The config of an image that holds nothing but these layers, without times. */
function configOf(layers: readonly Descriptor[]): Buffer {
  const empty = {architecture: '', os: '', config: {}, created: '0001-01-01T00:00:00Z'};
  const rootfs = {type: 'layers', diff_ids: layers.map(({digest}) => digest)};
  const history = layers.map(() => ({created: '0001-01-01T00:00:00Z'}));
  return Buffer.from(JSON.stringify({...empty, history, rootfs}));
}

function descriptor(
  {bytes, digest}: Stored,
  mediaType: string,
  annotations?: Readonly<Record<string, string>>,
): Descriptor {
  return {mediaType, size: bytes.length, digest, ...(annotations === undefined ? {} : {annotations})};
}

/** What stands under a signature tag; something else than a manifest counts as nothing. */
function layersOf(manifest: Stored | undefined): readonly Descriptor[] {
  const layers = manifest === undefined ? undefined : member(parse(manifest.bytes), 'layers');
  return Array.isArray(layers) ? (layers as readonly unknown[]).filter(isDescriptor) : [];
}

function isDescriptor(value: unknown): value is Descriptor {
  const {mediaType, size, digest} = (value ?? {}) as Readonly<Record<string, unknown>>;
  return (
    typeof mediaType === 'string' &&
    typeof size === 'number' &&
    typeof digest === 'string' &&
    /^sha256:[0-9a-f]{64}$/.test(digest)
  );
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
