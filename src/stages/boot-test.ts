import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {
  type BootPlan,
  type DiskPackPlan,
  type NetbootPackPlan,
  netbootFiles,
} from '../../targets/contract.ts';
import {fail, ok} from '../result.ts';
import type {CheckResult} from '../run/events.ts';
import type {ImageTest, Os} from '../spec/image.ts';
import {requiredInput} from './inputs.ts';
import type {StageRunner} from './stage.ts';
import {diskFiles} from './test/artifact-files.ts';
import {type BootFiles, bootAndCheck} from './test/boot.ts';

/** `test:<target>`: boots the artifact in every way the target promises, and checks it from inside. */
export const runBootTest: StageRunner = async (context) => {
  const {plan, boots, tests, architecture} = context.node.params as unknown as {
    plan: DiskPackPlan | NetbootPackPlan;
    boots: readonly BootPlan[];
    tests: readonly ImageTest[];
    architecture: Os['architecture'];
  };
  const artifactDir = requiredInput(context, context.node.dependsOn[0] ?? '').path;
  const {work: workDir, signal} = context;
  const files: BootFiles =
    plan.kind === 'disk' ? await diskFiles(plan, {artifactDir, workDir, signal}) : netbootFiles;
  const checks: CheckResult[] = [];
  const {path: logPath} = context.log;
  for (const boot of boots) {
    context.progress(`booting (${boot.name})`);
    const report = await bootAndCheck({
      plan: boot,
      architecture,
      artifactDir,
      files,
      tests,
      workDir,
      logPath,
      signal,
      onProgress: (message) => context.progress(`${boot.name}: ${message}`),
    });
    checks.push(...report.checks);
    const failed = report.checks
      .filter(({passed}) => !passed)
      .map(({name, detail}) => (detail === undefined ? name : `${name}: ${detail}`));
    if (report.outcome !== 'finished' || failed.length > 0) {
      return fail({failure: {reason: 'checks-failed', failed, lastLines: report.lastLines, logPath}, checks});
    }
  }
  writeFileSync(
    join(context.output, 'checks.json'),
    `${JSON.stringify(
      checks.map(({name, passed}) => ({name, passed})),
      undefined,
      2,
    )}\n`,
  );
  return ok({result: {checks: checks.length}, checks});
};
