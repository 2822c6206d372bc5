import type {Image as Ami} from '@aws-sdk/client-ec2';
import {awsCode} from '../../src/clients/aws/errors.ts';
import {FgError} from '../../src/errors.ts';
import type {Artifact, CreateProgress, RemoteImage} from '../registrar.ts';
import {waitForAmi} from './copies.ts';
import {listAmis} from './describe.ts';
import {directSnapshot} from './direct-snapshot.ts';
import {importedSnapshot} from './import-tasks.ts';
import {bootMode, ec2Architecture, rootDeviceName} from './properties.ts';
import type {Session} from './session.ts';
import {markOf, ownTags, tagsOf} from './tags.ts';

export interface Creation {
  readonly progress: CreateProgress;
  readonly unfinished?: RemoteImage | undefined;
}

/** Brings the disk there, registers the AMI, and waits until it is available. Gives its id. */
export async function registerAmi(
  session: Session,
  artifact: Artifact,
  {progress, unfinished}: Creation,
): Promise<string> {
  const {home, register} = session;
  const isAmi = unfinished?.id.startsWith('ami-') === true;
  const id = isAmi ? unfinished.id : await registerNew();
  await waitForAmi(home, id, progress.report);
  return id;

  async function registerNew(): Promise<string> {
    // What was begun one way cannot be gone on with the other way, but for a snapshot.
    const isImport = register.method === 'import-snapshot';
    const usable = isImport || unfinished?.id.startsWith('snap-') === true ? unfinished : undefined;
    const make = isImport ? importedSnapshot : directSnapshot;
    const snapshot = await make(session, artifact, {progress, unfinished: usable});
    progress.report(`Registering ${session.request.name}`);
    const ami = await callRegister(session, snapshot);
    progress.begun(ami, {snapshots: snapshot});
    return ami;
  }
}

async function callRegister(session: Session, SnapshotId: string): Promise<string> {
  const {home, request, register, wanted, properties} = session;
  const {volume_type: VolumeType, iops, throughput, imds, tpm} = register;
  try {
    const {ImageId: id} = await home.call('RegisterImage', ({sdk, client}, options) =>
      client.send(
        new sdk.RegisterImageCommand({
          Name: request.name,
          Description: properties['description'],
          // The defaults are i386 and paravirtual.
          Architecture: ec2Architecture(wanted.image),
          VirtualizationType: 'hvm',
          EnaSupport: true,
          BootMode: bootMode(wanted),
          ...(imds === 'v2.0' ? {ImdsSupport: 'v2.0'} : {}),
          ...(tpm === true ? {TpmSupport: 'v2.0'} : {}),
          RootDeviceName: rootDeviceName,
          BlockDeviceMappings: [
            {
              DeviceName: rootDeviceName,
              Ebs: {
                SnapshotId,
                VolumeType,
                DeleteOnTermination: true,
                ...(iops === undefined ? {} : {Iops: iops}),
                ...(throughput === undefined ? {} : {Throughput: throughput}),
              },
            },
          ],
          TagSpecifications: [{ResourceType: 'image', Tags: ownTags(request.mark, register)}],
        }),
        options,
      ),
    );
    if (id === undefined) throw new FgError('REMOTE_REFUSED', 'RegisterImage gives no AMI');
    return id;
  } catch (error) {
    if (awsCode(error) !== 'InvalidAMIName.Duplicate') throw error;
    return nameHolder(session, error);
  }
}

/** The AMI with the wanted name, where it is this one: an answer to an earlier try was lost. */
async function nameHolder({home, request}: Session, error: unknown): Promise<string> {
  const [holder] = await listAmis(home, [{Name: 'name', Values: [request.name]}]);
  const mark = markOf(tagsOf(holder?.Tags));
  const {digest, lineage} = request.mark;
  if (holder?.ImageId !== undefined && mark?.digest === digest && mark.lineage === lineage)
    return holder.ImageId;
  throw new FgError(
    'NAME_TAKEN',
    `${home.name} has an AMI with the name ${request.name} already: ${whose(holder, mark?.lineage)}`,
    {
      hint: `Choose another name with targets.${request.target}.register.name, with {digest} in it`,
      cause: error,
    },
  );
}

function whose(holder: Ami | undefined, lineage: string | undefined): string {
  if (holder?.ImageId === undefined) return 'it is not shown to these credentials';
  return lineage === undefined
    ? `${holder.ImageId}, which fgimage did not register`
    : `${holder.ImageId} is an image of ${lineage}`;
}
