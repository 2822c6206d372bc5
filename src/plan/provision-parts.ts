import type {Image, JsonObject, JsonValue, Provisioner} from '../spec/image.ts';
import {type ProvisionKind, provisionKinds, type StepProject} from '../spec/provision-kinds.ts';
import {isJsonObject} from './explain-parts.ts';
import type {StageNode, StepRun} from './graph.ts';
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
  const {
    files,
    folders = [],
    install,
    keep = false,
    tools,
    params = {},
  } = await kind.needs(step.options, project);
  return {
    name: `provision-${String(index + 1)}`,
    kind: 'provision',
    params: {provisioner: keyed(step), kind_version: kind.version, ...params, ...keepWord(install, keep)},
    files: unique(files),
    ...(install === undefined ? {} : {install}),
    ...(tools === undefined ? {} : {programs: tools}),
    ...(step.network ? {readsLists: true} : {}),
    step: {...howItRuns(step), ...(folders.length === 0 ? {} : {folders: unique(folders)})},
    origins: [
      {param: ['provisioner'], spec: ['provision', index]},
      {param: ['provisioner', 'options'], spec: ['provision', index, step.kind]},
      {param: [], spec: ['provision', index, step.kind]},
    ],
  };
}

/**
 * What a step does, as its key has it. `when` chose, and says nothing of that; where a secret comes from, which folders
 * persist and how long it may take change nothing of what it gives.
 */
function keyed({kind, options, network, secrets}: Provisioner): JsonValue {
  return json({
    kind,
    options,
    network,
    ...(secrets.length === 0 ? {} : {secrets: secrets.map(({name, version}) => ({name, version}))}),
  });
}

/** Whether a stage has a network, as a step or as apk's: what it gives may be another each time. */
export function isOnline({params}: Pick<StageNode, 'params'>): boolean {
  const {provisioner = null} = params;
  return params['network'] === true || (isJsonObject(provisioner) && provisioner['network'] === true);
}

function howItRuns({secrets, caches, timeout_seconds: timeoutSeconds}: Provisioner): StepRun {
  return {secrets, caches, ...(timeoutSeconds === undefined ? {} : {timeoutSeconds})};
}

/** Whether what is installed for the step stays behind. */
function keepWord(install: readonly string[] | undefined, keep: boolean): JsonObject {
  return install === undefined ? {} : {keep_client: keep};
}
