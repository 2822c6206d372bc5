import {beforeAll, describe, expect, it} from 'vitest';
import {type BuildResult, Project} from './real-build.ts';

/**
 * One image on every target with a disk, each booted as its cloud would boot it, in every way that it promises and
 * build.test.ts does not try.
 */
const targets = {
  ec2: {spec: '{firmware: bios}', logins: ['bios: as debian']},
  opennebula: {spec: '{firmware: uefi}', logins: ['uefi: as root']},
  'opennebula-cloud-init': {
    spec: '{type: opennebula, context: cloud-init, firmware: bios}',
    logins: ['bios: as debian'],
  },
  eucalyptus: {spec: '{}', logins: ['bios: as debian']},
  'eucalyptus-pv': {
    spec: '{type: eucalyptus, virtualization: paravirtual}',
    logins: ['kernel: as debian'],
  },
  nimbus: {spec: '{}', logins: ['bios: as root']},
  'nimbus-partition': {
    spec: '{type: nimbus, layout: partition, compress: gzip}',
    logins: ['kernel: as root'],
  },
  azure: {spec: '{}', logins: ['uefi: as fguser']},
  'azure-1': {spec: '{type: azure, generation: 1}', logins: ['bios: as fguser']},
  gcp: {spec: '{}', logins: ['bios: as debian', 'uefi: as debian']},
  ova: {spec: '{}', logins: ['bios: as debian', 'uefi: as debian']},
  libvirt: {spec: '{}', logins: ['bios: as debian', 'uefi: as debian']},
  vagrant: {spec: '{}', logins: ['bios: as vagrant']},
} as const;

const project = new Project('boots');
let result: BuildResult;

beforeAll(async () => {
  project.write({
    'fgimage.yaml': `version: 1
name: node
os: {distribution: debian, release: bookworm}
hostname: image
users: [{name: alice, uid: 1600}]
tests:
  - {command: id -u alice, stdout: "1600"}
targets:
${Object.entries(targets)
  .map(([name, {spec}]) => `  ${name}: ${spec}\n`)
  .join('')}`,
  });
  result = await project.build(['--pool', 'boots=2']);
  project.keepPackages();
});

describe('fgimage build of one image for every cloud', () => {
  it('passes every check', () => {
    expect(result.told.trim()).toBe('');
    expect(result.code).toBe(0);
  });

  it.each(Object.entries(targets))('logs in to %s', (target, {logins}) => {
    const checks = result.checks(`test:node/${target}`);
    const loggedIn = checks.filter(({name}) => name.endsWith("login by SSH with the instance's key"));
    expect(loggedIn.map(({name, detail}) => `${name.split(':', 1)[0] ?? ''}: ${detail ?? ''}`)).toEqual([
      ...logins,
    ]);
    for (const login of logins) {
      const boot = login.split(':', 1)[0] ?? '';
      for (const name of ['user data were run', 'host name is the one given', 'command: id -u alice'])
        expect(checks).toContainEqual({name: `${boot}: ${name}`, passed: true});
    }
  });
});
