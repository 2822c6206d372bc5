import {mkdirSync, writeFileSync} from 'node:fs';
import {cpus, networkInterfaces} from 'node:os';
import {join, posix} from 'node:path';
import {packageRoot} from '../../../package-root.ts';
import {fail} from '../../../result.ts';
import {type Bind, cleanEnvironment} from '../../../sandbox/sandbox.ts';
import type {JsonObject, Provisioner} from '../../../spec/image.ts';
import type {StageContext} from '../../stage.ts';
import {isFolder, placeFiles} from '../project-files.ts';
import type {StepRunner} from '../step.ts';
import {PuppetRun, projectPlace} from './events.ts';
import type {PuppetOptions} from './schema.ts';

const place = '/run/fgimage/puppet';
const own = join(packageRoot, 'src/stages/provision/puppet');

/** `provision: [{puppet: …}]`: `puppet apply` inside the image; what it keeps for itself is in /tmp. */
export const runPuppet: StepRunner = async ({stage, options: given, run}) => {
  const options = given as unknown as PuppetOptions;
  const {network} = stage.node.params['provisioner'] as unknown as Provisioner;
  const following = new PuppetRun(stage, {network, id: stage.node.id});
  const project = placeFiles(stage);
  const done = await run({
    command: ['/bin/sh', `${place}/launch.sh`, options.environment, ...applyArguments(options, project)],
    shown: ['puppet', 'apply', options.manifest],
    binds: [
      folder(project, 'project'),
      folder(writeSettings(stage, options), 'settings'),
      folder(join(own, 'modules'), 'modules'),
      {source: join(own, 'launch.sh'), path: `${place}/launch.sh`, kind: 'file', mode: 'ro'},
    ],
    onLine: following.line,
  });
  const failure = following.failure(done.ok);
  return failure === undefined ? done : fail(failure);
};

function folder(source: string, name: string): Bind {
  return {source, path: `${place}/${name}`, kind: 'dir', mode: 'ro'};
}

/** puppet-apply(8). */
function applyArguments({manifest, modules, tags}: PuppetOptions, project: string): readonly string[] {
  // A module that is named itself is found by its parent: only what is applied is there.
  const folders = modules
    .flatMap((path) => [path, posix.dirname(path)])
    .filter((path) => isFolder(project, path));
  const modulePath = [
    ...[...new Set(folders)].map((path) => posix.join(projectPlace, path)),
    `${place}/modules`,
  ];
  return [
    '--detailed-exitcodes',
    '--verbose',
    '--evaltrace',
    '--color=false',
    `--modulepath=${modulePath.join(':')}`,
    ...(tags.length === 0 ? [] : ['--tags', tags.join(',')]),
    `${projectPlace}/${manifest}`,
  ];
}

function writeSettings(stage: StageContext, options: PuppetOptions): string {
  const path = join(stage.work, 'puppet');
  mkdirSync(path, {recursive: true});
  writeFileSync(join(path, 'puppet.conf'), configuration(options));
  writeFileSync(join(path, 'facts.json'), JSON.stringify({...notOfHost(), ...options.facts}));
  return path;
}

/** puppet.conf (https://www.puppet.com/docs/puppet/8/configuration.html), strict, with nothing outside of /tmp. */
export function configuration({certname, environment, hiera}: PuppetOptions): string {
  const state = '/tmp/fgimage-puppet';
  const settings = {
    certname,
    environment,
    environmentpath: `${state}/environments`,
    ...(hiera === undefined ? {} : {hiera_config: `${projectPlace}/${hiera}`}),
    ssldir: `${state}/ssl`,
    logdir: `${state}/log`,
    publicdir: `${state}/public`,
    rundir: `${state}/run`,
    strict: 'error',
    strict_variables: 'true',
    report: 'true',
    reports: 'fgimage',
    storeconfigs: 'false',
    manage_internal_file_permissions: 'false',
  };
  return `[main]\n${Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}`)
    .join('\n')}\n`;
}

/**
 * Facts in the place of those that Facter finds out about the machine that builds: external facts stand above its own
 * (https://www.puppet.com/docs/puppet/8/external_facts.html). The image has no machine yet.
 */
export function notOfHost(): JsonObject {
  const ofInterfaces = Object.keys(networkInterfaces()).flatMap((name) =>
    ofInterface.map((fact) => `${fact}_${name.replaceAll(/[^a-zA-Z0-9]/g, '_')}`),
  );
  const ofProcessors = cpus().map((_, index) => `processor${String(index)}`);
  return {
    ...Object.fromEntries(structured.map((name) => [name, {}])),
    ...Object.fromEntries([...plain, ...ofInterfaces, ...ofProcessors].map((name) => [name, ''])),
    networking: {hostname: 'localhost', fqdn: 'localhost', domain: '', ip: '127.0.0.1', interfaces: {}},
    hostname: 'localhost',
    fqdn: 'localhost',
    domain: '',
    ipaddress: '127.0.0.1',
    is_virtual: false,
    virtual: 'physical',
    path: cleanEnvironment['PATH'] ?? '',
  };
}

const structured = [
  ...['cloud', 'disks', 'dmi', 'hypervisors', 'load_averages', 'memory', 'mountpoints', 'partitions'],
  ...['processors', 'ssh', 'system_uptime'],
];
const plain = [
  ...['kernelmajversion', 'kernelrelease', 'kernelversion', 'blockdevices', 'filesystems', 'interfaces'],
  ...['memoryfree', 'memoryfree_mb', 'memorysize', 'memorysize_mb', 'swapfree', 'swapfree_mb', 'swapsize'],
  ...['swapsize_mb', 'physicalprocessorcount', 'processorcount', 'hardwareisa', 'macaddress', 'ipaddress6'],
  ...['bios_release_date', 'bios_vendor', 'bios_version', 'boardmanufacturer', 'boardproductname'],
  ...['boardserialnumber', 'boardassettag', 'chassistype', 'chassisassettag', 'manufacturer', 'productname'],
  ...['serialnumber', 'uuid', 'uptime', 'uptime_days', 'uptime_hours', 'uptime_seconds'],
];
const ofInterface = [
  ...['ipaddress', 'ipaddress6', 'macaddress', 'mtu', 'netmask', 'netmask6', 'network', 'network6', 'scope6'],
];
