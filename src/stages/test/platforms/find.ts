import type {Platform} from '../../../../targets/contract.ts';
import {azure} from './azure.ts';
import {configDrive} from './config-drive.ts';
import {ec2} from './ec2.ts';
import {eucalyptus} from './eucalyptus.ts';
import {gcp} from './gcp.ts';
import {nimbus} from './nimbus.ts';
import {noCloud} from './nocloud.ts';
import {openNebula} from './opennebula.ts';
import {openStack} from './openstack.ts';
import type {PlatformModule} from './platform.ts';
import {vmware} from './vmware.ts';

const platforms: Readonly<Record<Platform, PlatformModule>> = {
  nocloud: noCloud,
  openstack: openStack,
  'config-drive': configDrive,
  ec2,
  eucalyptus,
  opennebula: openNebula,
  nimbus,
  azure,
  gcp,
  vmware,
};

export function findPlatform(name: Platform): PlatformModule {
  return platforms[name];
}
