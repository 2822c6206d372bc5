import {existsSync, readFileSync, statSync} from 'node:fs';
import {join, relative} from 'node:path';
import {diskError} from '../../cache/disk-error.ts';
import {
  hasRecipe,
  keepRecipe,
  type Recipe,
  type RecipeEntry,
  type RecipeSource,
  type RecipeStage,
} from '../../cache/recipes.ts';
import {digestFile, sha256} from '../../cache/tree.ts';
import {packageRoot, packageVersion} from '../package-root.ts';
import type {StageNode} from '../plan/graph.ts';
import type {Delivery} from '../plan/plan.ts';
import {artifactFiles} from '../run/deliver.ts';
import type {StageState} from '../run/engine-options.ts';
import type {JsonObject} from '../spec/image.ts';
import {starterPrefix} from '../spec/starters.ts';
import {type PlacedEntry, projectEntries} from './project-entries.ts';
import {madeState} from './run-stages.ts';
import type {Session} from './session.ts';

/** Projects with larger files are not kept: they are made again from their own folder, or from a bundle. */
export const largestProjectBytes = 64 << 20;

/**
 * Keeps of each artifact that was handed out what it can be made again from, where that is not kept yet. Nothing of this
 * is needed by the build: what a full disk has not room for is told, not thrown.
 */
export async function keepRecipes(
  session: Session,
  states: ReadonlyMap<string, StageState>,
  warn: (message: string, hint: string) => void,
): Promise<void> {
  const {plan, store, lock} = session;
  const locked = lock !== undefined;
  const wanted = plan.deliveries.flatMap((delivery) => {
    const digest = madeState(states, delivery.pack)?.output.digest;
    if (digest === undefined || !store.hasContent(digest)) return [];
    const artifact = {image: delivery.image.name, target: delivery.target, digest};
    return hasRecipe(store.layout, artifact, {locked}) ? [] : [{delivery, digest}];
  });
  if (wanted.length === 0) return;
  try {
    const project = await keptProject(session);
    for (const {delivery, digest} of wanted) {
      const recipe = recipeOf(delivery, digest, {session, states, project});
      if (!keepRecipe(store.layout, recipe, project.places)) return;
    }
  } catch (error) {
    if (diskError(error, store.layout.root) === undefined) throw error;
    warn(
      'What the images can be made again from was not kept: no space left in the cache',
      'Free some space; the next build keeps it',
    );
  }
}

interface KeptProject extends Pick<Recipe, 'entries' | 'too_large_bytes'> {
  /** Where files lie, by digest. */
  readonly places: ReadonlyMap<string, string>;
}

async function keptProject(session: Session): Promise<KeptProject> {
  const placed = await projectEntries(session);
  const digests = new Map<string, string>();
  let sizeBytes = 0;
  for (const entry of placed) {
    if (entry.kind !== 'file') continue;
    sizeBytes += statSync(entry.from).size;
    if (sizeBytes <= largestProjectBytes) digests.set(entry.from, digestFile(entry.from));
  }
  if (sizeBytes > largestProjectBytes) return {entries: [], too_large_bytes: sizeBytes, places: new Map()};
  return {
    entries: placed.map((entry) => recipeEntry(entry, digests)),
    places: new Map([...digests].map(([from, digest]) => [digest, from])),
  };
}

function recipeEntry(entry: PlacedEntry, digests: ReadonlyMap<string, string>): RecipeEntry {
  if (entry.kind !== 'file') return entry;
  const {kind, path, from, executable} = entry;
  return {kind, path, sha256: digests.get(from) ?? '', executable};
}

function recipeOf(
  delivery: Delivery,
  digest: string,
  {
    session,
    states,
    project,
  }: {
    readonly session: Session;
    readonly states: ReadonlyMap<string, StageState>;
    readonly project: KeptProject;
  },
): Recipe {
  const {spec, store, lock} = session;
  const {entries, too_large_bytes: tooLarge} = project;
  const pack = madeState(states, delivery.pack);
  const found = pack === undefined ? undefined : store.find(pack.key);
  const files = artifactFiles(store, digest).map(({path, sha256: file}) => ({path, sha256: file}));
  return {
    version: 1,
    fgimage: packageVersion(),
    image: delivery.image.name,
    target: delivery.target,
    digest,
    files,
    project: spec.projectDir,
    spec: relative(spec.projectDir, spec.file),
    profiles: spec.profiles,
    ...(lock === undefined ? {} : {lock: relative(spec.projectDir, lock.path)}),
    ...(lock !== undefined && session.options.hostTools ? {host_tools: true as const} : {}),
    entries,
    ...(tooLarge === undefined ? {} : {too_large_bytes: tooLarge}),
    sources: sourcesOf(session, delivery),
    images: lineOf(session, delivery.image.name),
    stages: stagesOf(session, delivery).flatMap((node): RecipeStage[] => {
      const state = madeState(states, node.id);
      return state === undefined ? [] : [{...named(node), key: state.key, digest: state.output.digest}];
    }),
    built_at: found?.state === 'known' ? found.action.startedAt : Date.now(),
  };
}

/** The spec's files, its lock, and what of fgimage itself the plan was made of. */
export function sourcesOf(session: Session, delivery: Delivery): readonly RecipeSource[] {
  const {spec, lock} = session;
  const inProject = (path: string): string => relative(spec.projectDir, path);
  const stages = stagesOf(session, delivery);
  const made = stages.map(({id}) => id);
  const tools = made.filter((id) => /^tools(?::|$)/.test(id));
  // An imported base may be of a distribution without a template.
  const templates = [
    `templates/${delivery.image.os.distribution}/template.json`,
    ...tools.map(toolsTemplate),
  ].filter((path) => existsSync(join(packageRoot, path)));
  return [
    ...spec.files.map(({path, sha256: digest, kind, starter}): RecipeSource => {
      const name = starter === undefined ? inProject(path) : `${starterPrefix}${starter}`;
      return {kind, path: name, sha256: digest};
    }),
    ...(lock === undefined
      ? []
      : [{kind: 'lock', path: inProject(lock.path), sha256: lock.digest} satisfies RecipeSource]),
    ...stages.flatMap(importOf),
    ...templates.map((path): RecipeSource => {
      const text = readFileSync(join(packageRoot, path), 'utf8');
      return {kind: 'template', path, sha256: sha256(text)};
    }),
  ];
}

/** What a base was imported from, with the digest that its key stands on: of the file, the index.json, the manifest. */
function importOf({notes, files}: StageNode): readonly RecipeSource[] {
  const {import: path = null, sha256: said = null} = (notes?.['base'] ?? {}) as JsonObject;
  const [first, ...others] = Object.values(files);
  const digest = typeof said === 'string' ? said : others.length === 0 ? first?.slice(0, 64) : undefined;
  return typeof path === 'string' && digest !== undefined ? [{kind: 'import', path, sha256: digest}] : [];
}

/** The template of a tools image (docs/architecture.md), by the stage that makes it. */
export function toolsTemplate(stage: string): string {
  return `templates/debian/${stage.replace(':', '-')}.json`;
}

/** An image, and those that it is built on. */
export function lineOf({spec}: Pick<Session, 'spec'>, name: string): readonly string[] {
  const image = spec.images.find((one) => one.name === name);
  return image?.from === undefined ? [name] : [name, ...lineOf({spec}, image.from)];
}

/** The stages that an artifact is made of, inputs first. */
export function stagesOf({plan}: Session, {pack, sbom}: Delivery): readonly StageNode[] {
  const byId = new Map(plan.nodes.map((node) => [node.id, node]));
  const found = new Set<StageNode>();
  const open = [pack, sbom];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = byId.get(id);
    if (node === undefined || found.has(node)) continue;
    found.add(node);
    open.push(...node.dependsOn);
  }
  return plan.nodes.filter((node) => found.has(node));
}

export function named({id, kind, title, image, target}: StageNode): Omit<RecipeStage, 'key' | 'digest'> {
  return {
    stage: id,
    kind,
    title,
    ...(image === undefined ? {} : {image}),
    ...(target === undefined ? {} : {target}),
  };
}
