import {importPath} from './base.ts';
import {quote} from './diagnostic.ts';
import type {ImageTree} from './images.ts';
import {nearest} from './nearest.ts';
import type {PathProblem, Project} from './project.ts';
import type {ProvisionKinds} from './provision-kinds.ts';
import type {Reporter} from './report.ts';
import {child, entriesAt, isText, itemsAt, nearestTree, type Tree, textAt, toJson} from './tree.ts';

export interface PathCheck {
  readonly project: Project;
  readonly kinds: ProvisionKinds;
  readonly report: Reporter;
}

/** Looks at every file that an image takes from the project: it must be there, and inside. */
export async function checkPaths({body}: ImageTree, check: PathCheck): Promise<void> {
  const {project, report} = check;
  const archiveKey = textAt(body, 'os', 'signed_by');
  const files = [
    ...(archiveKey === undefined ? [] : [archiveKey]),
    ...itemsAt(body, 'repositories').flatMap((one) => textAt(one, 'signed_by') ?? []),
    ...itemsAt(body, 'write_files').flatMap((one) => textAt(one, 'source') ?? []),
  ];
  const imported = textAt(body, 'base', 'import');
  const path = imported === undefined ? undefined : importPath(imported.value);
  if (imported !== undefined && path !== undefined)
    note(imported, await project.problem(path, {folder: true}), report);
  for (const file of files) note(file, await project.problem(file.value), report);
  for (const step of itemsAt(body, 'provision')) await checkStep(step, check);
  for (const copy of itemsAt(body, 'copy')) await checkCopy(copy, check);
}

async function checkStep(step: Tree, {project, kinds, report}: PathCheck): Promise<void> {
  for (const [name, {value}] of entriesAt(step)) {
    const kind = kinds.get(name);
    const given = toJson(value);
    if (kind?.schema.safeParse(given).success !== true) continue;
    const {options, files, secrets = []} = kind.interpret(given, project.isFile);
    for (const secret of secrets)
      note(nearestTree(value, secret.at), missingSecret(step, name, secret.name), report);
    const problems = await Promise.all(
      files.map(async ({at, path, folder = false}) => ({at, problem: await project.problem(path, {folder})})),
    );
    for (const {at, problem} of problems) note(nearestTree(value, at), problem, report);
    if (problems.some(({problem}) => problem !== undefined)) continue;
    for (const {at, ...problem} of (await kind.check?.(options, {dir: project.dir})) ?? [])
      note(nearestTree(value, at), problem, report);
  }
}

function missingSecret(step: Tree, kind: string, wanted: string): PathProblem | undefined {
  const names = itemsAt(step, 'secrets').flatMap((secret) => textAt(secret, 'name')?.value ?? []);
  if (names.includes(wanted)) return undefined;
  const near = nearest(wanted, names);
  return {
    message: `The step has no secret ${quote(wanted)}`,
    hint:
      near === undefined
        ? `Write \`secrets: [{name: ${wanted}, file: …}]\` beside \`${kind}\``
        : `Write \`${near}\``,
  };
}

async function checkCopy(copy: Tree, {project, report}: PathCheck): Promise<void> {
  const source = child(copy, 'source');
  const exclude = itemsAt(copy, 'exclude').flatMap((one) => (isText(one) ? one.value : []));
  const sources = source?.kind === 'list' ? source.items : source === undefined ? [] : [source];
  for (const one of sources) {
    if (isText(one)) note(one, await project.patternProblem(one.value, exclude), report);
  }
}

function note({site}: Tree, problem: PathProblem | undefined, report: Reporter): void {
  if (problem !== undefined) report.at(site, problem);
}
