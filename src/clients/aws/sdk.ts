import {isErrno} from '../../errors.ts';
import {RemoteError} from '../../http/error.ts';

/** The packages of the AWS SDK that fgimage can use, by service. All are optional: peerDependencies. */
const packages = {
  ec2: () => import('@aws-sdk/client-ec2'),
  ebs: () => import('@aws-sdk/client-ebs'),
  s3: () => import('@aws-sdk/client-s3'),
} as const;

export type AwsService = keyof typeof packages;

export type AwsSdk<Service extends AwsService> = Awaited<ReturnType<(typeof packages)[Service]>>;

/**
 * Loads the SDK of one service. Throws `RemoteError` `usage`, with what to install, where it is not there; `purpose` is
 * the subject of that message: `A remote cache in S3`.
 */
export async function loadAwsSdk<Service extends AwsService>(
  service: Service,
  purpose: string,
): Promise<AwsSdk<Service>> {
  // Which releases of Node the SDK will support is no news for who builds images.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  try {
    return (await packages[service]()) as AwsSdk<Service>;
  } catch (error) {
    if (!isErrno(error, 'ERR_MODULE_NOT_FOUND')) throw error;
    throw new RemoteError('usage', `${purpose} needs the package @aws-sdk/client-${service}`, {
      hint: `Install it beside fgimage: npm install @aws-sdk/client-${service}`,
      cause: error,
    });
  }
}
