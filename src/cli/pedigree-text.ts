import {printable} from '../ui/format.ts';
import type {Style} from '../ui/style.ts';
import {formatTable} from '../ui/table.ts';
import type {Pedigree, PedigreeStage} from './pedigree.ts';
import {toolsTemplate} from './recipe.ts';

/** A line of the tree and what lies below it. */
export interface PedigreeLine {
  readonly name: string;
  /** Undefined: a heading; null: not made yet. */
  readonly digest?: string | null;
  readonly below: readonly PedigreeLine[];
}

/** An artifact, what of it is its own, and below each image the one, or the root, that it is built on. */
export function pedigreeTree(pedigree: Pedigree): PedigreeLine {
  const {image, target, digest, images, profiles, sources, stages} = pedigree;
  const line = ({path, sha256}: Pedigree['sources'][number], name = path): PedigreeLine => ({
    name,
    digest: sha256,
    below: [],
  });
  const of = (...kinds: readonly string[]) => sources.filter(({kind}) => kinds.includes(kind));
  const [spec] = of('spec');
  const bases = of('extends', 'starter', 'target').map((one) =>
    line(one, one.kind === 'target' ? `target ${one.path}` : `extends ${one.path}`),
  );
  const shared = stages.filter((stage) => stage.image === undefined);
  const archives = shared.filter(({kind}) => kind === 'archive').map(stageLine);
  const made = shared.filter(({kind}) => kind !== 'archive');
  const isOf = ({path}: Pedigree['sources'][number], {stage}: PedigreeStage): boolean =>
    path === toolsTemplate(stage);
  const ofTools = of('template').filter((one) => made.some((stage) => isOf(one, stage)));
  const own = of('template').filter((one) => !ofTools.includes(one));
  const isTools = (stage: PedigreeStage): boolean => ofTools.some((one) => isOf(one, stage));
  const base = made.find((stage) => !isTools(stage));
  const root = made.map((stage): PedigreeLine => {
    const templates = stage === base ? own : ofTools.filter((one) => isOf(one, stage));
    const below = templates.map((one) => line(one, `template ${one.path}`));
    const imported = of('import').map((one) => line(one, `import ${one.path}`));
    return {...stageLine(stage), below: stage === base ? [...imported, ...archives, ...below] : below};
  });
  return {
    name: `${image}/${target}`,
    digest,
    below: [
      ...(spec === undefined ? [] : [{...line(spec, `spec ${spec.path}`), below: bases}]),
      ...profiles.map((name): PedigreeLine => ({name: `profile ${name}`, below: []})),
      ...of('lock').map((one) => line(one, `lock ${one.path}`)),
      {name: `target ${target}`, below: stages.filter((stage) => stage.target === target).map(stageLine)},
      ...onWhat(images, {stages, root}),
    ],
  };
}

/** The image with its layers, the lowest first, and below it what it is built on. */
function onWhat(
  [image, ...rest]: readonly string[],
  {stages, root}: {readonly stages: readonly PedigreeStage[]; readonly root: readonly PedigreeLine[]},
): readonly PedigreeLine[] {
  if (image === undefined) return root;
  const layers = stages.filter((stage) => stage.image === image && stage.target === undefined);
  return [{name: `image ${image}`, below: [...layers.map(stageLine), ...onWhat(rest, {stages, root})]}];
}

function stageLine({stage, digest}: PedigreeStage): PedigreeLine {
  return {name: stage, digest, below: []};
}

/** The tree with lines that lead down it, digests in a column of their own. */
export function formatPedigree(tree: PedigreeLine, {bold, dim}: Style): string {
  const rows = [...linesOf(tree, {first: '', others: ''})];
  return formatTable(
    rows.map(({text, digest}, index) => [
      {text, ...(index === 0 ? {style: bold} : {})},
      ...(digest === undefined ? [] : [{text: digest ?? 'not made yet', style: dim}]),
    ]),
  ).join('\n');
}

function* linesOf(
  {name, digest, below}: PedigreeLine,
  {first, others}: {readonly first: string; readonly others: string},
): Generator<{readonly text: string; readonly digest: string | null | undefined}> {
  yield {text: `${first}${printable(name)}`, digest};
  for (const [index, line] of below.entries()) {
    const isLast = index === below.length - 1;
    yield* linesOf(line, {
      first: `${others}${isLast ? '└─ ' : '├─ '}`,
      others: `${others}${isLast ? '   ' : '│  '}`,
    });
  }
}
