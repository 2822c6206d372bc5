import type {Image, JsonObject, Provisioner} from '../spec/image.ts';
import {type ProvisionKind, provisionKinds, type StepProject} from '../spec/provision-kinds.ts';
import {json, unique} from './image-words.ts';
import type {Part} from './parts.ts';

export interface ProvisionPartsOptions {
  readonly projectDir: string;
  /** Whether a step is run for the target that is planned. */
  readonly isWanted: (step: Provisioner) => boolean;
}

/** The steps of `provision`, each a stage; from the first on that is not for all targets they are a target's own. */
export async function provisionParts(
  image: Image,
  {projectDir, isWanted}: ProvisionPartsOptions,
): Promise<readonly Part[]> {
  const kinds = await provisionKinds();
  const parts: Part[] = [];
  let ofTarget = false;
  for (const [index, step] of image.provision.entries()) {
    ofTarget ||= step.when !== undefined;
    const kind = kinds.get(step.kind);
    if (kind === undefined) throw new Error(`There is no provisioner ${step.kind}`);
    if (isWanted(step))
      parts.push({
        ...(await partOf(step, {kind, index, project: {dir: projectDir, os: image.os}})),
        ofTarget,
      });
  }
  return parts;
}

async function partOf(
  step: Provisioner,
  {kind, index, project}: {kind: ProvisionKind; index: number; project: StepProject},
): Promise<Part> {
  const {files, install, keep = false, tools, params = {}} = await kind.needs(step.options, project);
  // `when` chose; it says nothing of what the step does.
  const said = {...step, when: undefined};
  return {
    name: `provision-${String(index + 1)}`,
    kind: 'provision',
    params: {provisioner: json(said), kind_version: kind.version, ...params, ...keepWord(install, keep)},
    files: unique(files),
    ...(install === undefined ? {} : {install}),
    ...(tools === undefined ? {} : {programs: tools}),
    ...(step.network ? {readsLists: true} : {}),
    origins: [{param: ['provisioner'], spec: ['provision', index]}],
  };
}

/** Whether what is installed for the step stays behind. */
function keepWord(install: readonly string[] | undefined, keep: boolean): JsonObject {
  return install === undefined ? {} : {keep_client: keep};
}
