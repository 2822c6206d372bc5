import type {PackPlan} from '../../targets/contract.ts';
import type {StageKind} from '../plan/graph.ts';
import {packageManager} from './package-manager.ts';
import type {StageRunner} from './stage.ts';

/** How each kind of stage runs; loaded when a stage must run. */
const runners: Readonly<Record<StageKind, () => Promise<StageRunner>>> = {
  archive: () => Promise.resolve(runArchive),
  base: () => Promise.resolve(runRoot),
  repositories: async () => (await import('./customize.ts')).runRepositories,
  packages: async () => (await import('./packages.ts')).runPackages,
  settings: async () => (await import('./customize.ts')).runSettings,
  users: async () => (await import('./customize.ts')).runUsers,
  files: async () => (await import('./customize.ts')).runFiles,
  provision: async () => (await import('./provision/run-step.ts')).runStep,
  services: async () => (await import('./customize.ts')).runServices,
  adapt: async () => (await import('./adapt.ts')).runAdapt,
  initramfs: async () => (await import('./adapt.ts')).runInitramfs,
  pack: () => Promise.resolve(runPack),
  sbom: async () => (await import('./sbom.ts')).runSbom,
  test: async () => (await import('./boot-test.ts')).runBootTest,
  vet: async () => (await import('./vet.ts')).runVet,
};

export function stageRunner(kind: StageKind): Promise<StageRunner> {
  return runners[kind]();
}

/** How each kind of artifact is packed. */
const packers: Readonly<Record<PackPlan['kind'], () => Promise<StageRunner>>> = {
  disk: async () => (await import('./pack/disk.ts')).runDiskPack,
  netboot: async () => (await import('./pack/netboot.ts')).runNetbootPack,
  tar: async () => (await import('./pack/tar.ts')).runTarPack,
  oci: async () => (await import('./pack/tar.ts')).runOciPack,
};

const runArchive: StageRunner = async (context) => (await packageManager(context.node)).archive(context);

/** A root by a distribution's packages, or an image that is there. */
const runRoot: StageRunner = async (context) => {
  if (context.node.params['import'] === undefined) return (await packageManager(context.node)).base(context);
  return (await import('./import/run.ts')).runImport(context);
};

const runPack: StageRunner = async (context) => {
  const {kind} = context.node.params['plan'] as unknown as PackPlan;
  return (await packers[kind]())(context);
};
