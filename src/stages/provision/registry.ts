import type {StepRunner} from './step.ts';

/** How each kind of provisioner runs; loaded when a step must run. */
const runners: Readonly<Record<string, () => Promise<StepRunner>>> = {
  shell: async () => (await import('./shell/run.ts')).runShell,
};

export async function stepRunner(kind: string): Promise<StepRunner> {
  const load = runners[kind];
  if (load === undefined) throw new Error(`There is no provisioner ${kind}`);
  return load();
}
