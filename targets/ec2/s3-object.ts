import {open} from 'node:fs/promises';
import {join} from 'node:path';
import type {CompletedPart} from '@aws-sdk/client-s3';
import type {S3} from '../../src/clients/aws/clients.ts';
import {awsCall, awsStatus} from '../../src/clients/aws/errors.ts';
import type {Artifact, CreateProgress} from '../registrar.ts';
import type {Session} from './session.ts';

/** S3 takes parts from 5 MiB, 10,000 of an object at most. */
const usualPartBytes = 16 * 2 ** 20;
const mostParts = 10_000;
/** Each is a part in memory. */
const parallel = 4;

/** Where the artifact is between the upload and the end of the import. */
export function objectKey({register, request}: Session): string {
  return `${register.bucket_prefix}${request.mark.digest}.raw`;
}

/** Uploads the artifact as one object, in parts; one that is there with the same size is the same. */
export async function uploadObject(
  session: Session,
  {folder, file, files}: Artifact,
  progress: CreateProgress,
): Promise<void> {
  const sizeBytes = files.find(({path}) => path === file)?.sizeBytes ?? 0;
  if ((await objectSize(session)) === sizeBytes) return;
  await abortUploads(session);
  const upload = await call(session, 'CreateMultipartUpload', ({sdk, client}, options) =>
    client.send(new sdk.CreateMultipartUploadCommand(object(session)), options),
  );
  const {UploadId} = upload;
  try {
    const Parts = await sendParts(session, {UploadId, path: join(folder, file), sizeBytes, progress});
    await call(session, 'CompleteMultipartUpload', ({sdk, client}, options) =>
      client.send(
        new sdk.CompleteMultipartUploadCommand({...object(session), UploadId, MultipartUpload: {Parts}}),
        options,
      ),
    );
  } catch (error) {
    // Parts cost money until they are told to go; the first error is the one to tell.
    const {sdk, client} = await session.s3();
    await client
      .send(new sdk.AbortMultipartUploadCommand({...object(session), UploadId}))
      .catch(() => undefined);
    throw error;
  }
}

async function sendParts(
  session: Session,
  {
    UploadId,
    path,
    sizeBytes,
    progress,
  }: {UploadId: string | undefined; path: string; sizeBytes: number; progress: CreateProgress},
): Promise<CompletedPart[]> {
  const partBytes = Math.max(usualPartBytes, Math.ceil(sizeBytes / mostParts));
  const count = Math.ceil(sizeBytes / partBytes);
  const parts: CompletedPart[] = [];
  const file = await open(path, 'r');
  let next = 0;
  let sentBytes = 0;
  let hasFailed = false;
  const work = async (): Promise<void> => {
    while (next < count && !hasFailed) {
      const number = next;
      next += 1;
      const offset = number * partBytes;
      const body = Buffer.allocUnsafe(Math.min(partBytes, sizeBytes - offset));
      await readFully(file, body, offset);
      const PartNumber = number + 1;
      const {ETag} = await call(session, 'UploadPart', ({sdk, client}, options) =>
        client.send(
          new sdk.UploadPartCommand({...object(session), UploadId, PartNumber, Body: body}),
          options,
        ),
      );
      parts[number] = {ETag, PartNumber};
      sentBytes += body.length;
      progress.report('Uploading to S3', sentBytes / sizeBytes);
    }
  };
  try {
    await Promise.all(
      Array.from({length: parallel}, () =>
        work().catch((error: unknown) => {
          hasFailed = true;
          throw error;
        }),
      ),
    );
  } finally {
    await file.close();
  }
  return parts;
}

async function readFully(
  file: Awaited<ReturnType<typeof open>>,
  body: Buffer,
  offset: number,
): Promise<void> {
  for (let filled = 0; filled < body.length; ) {
    const {bytesRead} = await file.read(body, filled, body.length - filled, offset + filled);
    if (bytesRead === 0) throw new Error('The disk is shorter than its manifest says');
    filled += bytesRead;
  }
}

/** Takes the object away. Gone is fine. */
export async function forgetObject(session: Session): Promise<void> {
  if (session.register.bucket === undefined) return;
  await call(session, 'DeleteObject', ({sdk, client}, options) =>
    client.send(new sdk.DeleteObjectCommand(object(session)), options),
  );
}

/** Uploads of this object that were left in the middle. */
async function abortUploads(session: Session): Promise<void> {
  const {Bucket, Key} = object(session);
  const {Uploads: uploads = []} = await call(session, 'ListMultipartUploads', ({sdk, client}, options) =>
    client.send(new sdk.ListMultipartUploadsCommand({Bucket, Prefix: Key}), options),
  );
  for (const {UploadId} of uploads.filter((upload) => upload.Key === Key)) {
    await call(session, 'AbortMultipartUpload', ({sdk, client}, options) =>
      client.send(new sdk.AbortMultipartUploadCommand({Bucket, Key, UploadId}), options),
    );
  }
}

async function objectSize(session: Session): Promise<number | undefined> {
  try {
    const {ContentLength: sizeBytes} = await call(session, 'HeadObject', ({sdk, client}, options) =>
      client.send(new sdk.HeadObjectCommand(object(session)), options),
    );
    return sizeBytes;
  } catch (error) {
    if (awsStatus(error) === 404) return undefined;
    throw error;
  }
}

function object(session: Session): {readonly Bucket: string | undefined; readonly Key: string} {
  return {Bucket: session.register.bucket, Key: objectKey(session)};
}

async function call<T>(
  session: Session,
  action: string,
  make: (s3: S3, options: {readonly abortSignal: AbortSignal}) => Promise<T>,
): Promise<T> {
  const s3 = await session.s3();
  const {signal} = session.request;
  const {profile} = session.register;
  const permission = s3Permissions[action] ?? action;
  return awsCall({service: 's3', action: permission, endpoint: s3.endpoint, profile}, signal, () =>
    make(s3, {abortSignal: signal}),
  );
}

/** What calls are called in permissions, where that is another name (S3 user guide, "Required permissions"). */
const s3Permissions: Readonly<Record<string, string>> = {
  HeadObject: 'GetObject',
  CreateMultipartUpload: 'PutObject',
  UploadPart: 'PutObject',
  CompleteMultipartUpload: 'PutObject',
  ListMultipartUploads: 'ListBucketMultipartUploads',
};
