import type {StepRunner} from './step.ts';

/** How each kind of provisioner runs; loaded when a step must run. */
const runners: Readonly<Record<string, () => Promise<StepRunner>>> = {
  chef: async () => (await import('./chef/run.ts')).runChef,
  shell: async () => (await import('./shell/run.ts')).runShell,
  ansible: async () => (await import('./ansible/run.ts')).runAnsible,
  puppet: async () => (await import('./puppet/run.ts')).runPuppet,
  'cloud-init': async () => (await import('./cloud-init/run.ts')).runCloudInit,
};

export async function stepRunner(kind: string): Promise<StepRunner> {
  const load = runners[kind];
  if (load === undefined) throw new Error(`There is no provisioner ${kind}`);
  return load();
}
