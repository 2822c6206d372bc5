import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import type {AdaptPlan, TargetFile} from '../../targets/contract.ts';
import {packageRoot} from '../package-root.ts';
import {fail, ok} from '../result.ts';
import {applyChanges, type Change} from './changes.ts';
import {serviceChanges} from './customize.ts';
import {installPackages} from './package-manager.ts';
import {archiveOf, hasRpms} from './rpm-tree.ts';
import type {StageContext, StageRunner} from './stage.ts';
import {runInTree} from './tree.ts';

/** What a target adds to the customized tree; last of all, what must not stay in an image is taken out. */
export const runAdapt: StageRunner = async (context) => {
  const plan = context.node.params['plan'] as unknown as AdaptPlan;
  const installed = await installPackages(context, {
    install: plan.packages,
    remove: [],
    archive: archiveOf(context.node),
  });
  if (!installed.ok) return fail({failure: installed.error});
  if (installed.value.known) return ok({result: {}});
  context.progress('Configuring');
  const changed = await applyChanges(context, [
    ...plan.files.map(fileChange),
    ...serviceChanges(plan.services),
    ...cleaning,
    ...(hasRpms(context.node) ? rpmCleaning : []),
  ]);
  return changed.ok ? ok({result: {}}) : fail({failure: changed.error});
};

/**
 * The initial RAM disks of a target, made once from the customized tree, beside `adapt`. What its packages and files
 * add to the tree is left behind: the output is the `initrd.img-*` files alone.
 */
export const runInitramfs: StageRunner = async (context) => {
  const plan = context.node.params['plan'] as unknown as Pick<
    AdaptPlan,
    'initramfsPackages' | 'initramfsFiles'
  >;
  const scratch = join(context.work, 'scratch');
  mkdirSync(scratch);
  const inScratch: StageContext = {...context, output: scratch};
  const installed = await installPackages(inScratch, {
    install: plan.initramfsPackages,
    remove: [],
    archive: archiveOf(context.node),
  });
  if (!installed.ok) return fail({failure: installed.error});
  if (installed.value.known) return ok({result: {}});
  if (plan.initramfsFiles.length > 0) {
    const written = await applyChanges(inScratch, plan.initramfsFiles.map(fileChange));
    if (!written.ok) return fail({failure: written.error});
  }
  context.progress('Making the initial RAM disk');
  const scripts = join(packageRoot, 'src/stages/scripts');
  const script = hasRpms(context.node) ? 'make-dracut.sh' : 'make-initramfs.sh';
  const made = await runInTree(inScratch, {
    command: ['/bin/sh', `/run/fgimage/${script}`, '/run/fgimage/out'],
    writable: true,
    binds: [
      {
        source: join(scripts, script),
        path: `/run/fgimage/${script}`,
        kind: 'file',
        mode: 'ro',
      },
      {
        source: join(scripts, 'initramfs.conf'),
        path: '/run/fgimage/initramfs.conf',
        kind: 'file',
        mode: 'ro',
      },
      {source: context.output, path: '/run/fgimage/out', kind: 'dir', mode: 'rw'},
    ],
  });
  return made.ok ? ok({result: {}}) : fail({failure: made.error});
};

function fileChange(file: TargetFile): Change {
  return {
    do: 'file',
    path: file.path,
    owner: 'root:root',
    permissions: file.permissions,
    content: {text: file.content},
  };
}

/** Identity, secrets and traces of the build (virt-sysprep's list, as far as packages of ours leave any). */
const cleaning: readonly Change[] = [
  {
    do: 'remove',
    patterns: [
      '/etc/ssh/ssh_host_*',
      '/etc/*-',
      '/etc/machine-id',
      '/var/lib/dbus/machine-id',
      '/var/lib/systemd/random-seed',
      '/var/lib/systemd/credential.secret',
      '/var/log/*.log',
      '/var/log/apt/*',
      '/var/log/{btmp,wtmp,lastlog,faillog}',
      '/var/cache/apt/*.bin',
      '/var/cache/ldconfig/aux-cache',
      '/var/cache/debconf/*-old',
      '/var/lib/dpkg/*-old',
      '/var/lib/chrony/*',
      '/root/.bash_history',
    ],
  },
  // Empty, so that it is made at first boot and can be bound over where the root is read-only (machine-id(5)).
  {do: 'file', path: '/etc/machine-id', owner: 'root:root', permissions: '0444', content: {text: ''}},
];

/** The same of what dnf leaves, where a provisioner ran that of the image. */
const rpmCleaning: readonly Change[] = [
  {
    do: 'remove',
    patterns: [
      '/var/lib/dnf/*',
      '/var/log/{dnf,hawkey}*',
      '/var/cache/dnf/*',
      '/var/cache/libdnf5/*',
      '/var/lib/rpm/.rpm.lock',
      '/usr/lib/sysimage/rpm/.rpm.lock',
    ],
  },
];
