import {FgError} from '../errors.ts';
import type {StageNode} from './graph.ts';

/** A tree that a person named: the stages whose layers it is made of, the lowest first. */
export interface NamedTree {
  readonly image: string;
  readonly layers: readonly StageNode[];
}

/**
 * Finds what `web`, `web:packages`, `web:base`, `web:adapt/openstack` or the id of a stage stands for: the customized
 * tree of an image, or the tree as it is after a stage. A part that an image has from the one it builds on counts as
 * its own. Throws `FgError` for what is not in the plan or has no tree.
 */
export function namedTree(nodes: readonly StageNode[], name: string): NamedTree {
  const exact = nodes.find(({id}) => id === name);
  if (exact !== undefined) return treeAfter(nodes, exact);
  const colon = name.indexOf(':');
  const image = colon < 0 ? name : name.slice(0, colon);
  const layers = customized(nodes, image);
  if (layers.length === 0) {
    const images = [...new Set(nodes.flatMap((node) => (node.image === undefined ? [] : [node.image])))];
    throw new FgError('USAGE', `There is no image ${image} that is built`, {
      hint: `Those that are built: ${images.join(', ')}`,
    });
  }
  if (colon < 0) return {image, layers};
  const wanted = name.slice(colon + 1).replace(/^customize\//, '');
  const trees = [...layers, ...nodes.filter((node) => node.kind === 'adapt' && node.image === image)];
  const found = trees.findLast(({id}) => shortName(id) === wanted);
  if (found === undefined) {
    throw new FgError('USAGE', `${image} has no stage ${wanted} with a tree`, {
      hint: `It has ${trees.map(({id}) => shortName(id)).join(', ')}`,
    });
  }
  return {...treeAfter(nodes, found), image};
}

function treeAfter(nodes: readonly StageNode[], node: StageNode): NamedTree {
  if (['archive', 'initramfs', 'pack', 'sbom', 'test', 'vet'].includes(node.kind)) {
    throw new FgError('USAGE', `The stage ${node.id} makes no tree of an image`, {
      hint: 'Name a base, customize or adapt stage, or just an image',
    });
  }
  const below = node.layers.flatMap((id) => nodes.filter((other) => other.id === id));
  return {image: node.image ?? '', layers: [...below, node]};
}

/** The layers that all targets of an image share; of an image that others build on too, though it has no target. */
function customized(nodes: readonly StageNode[], image: string): readonly StageNode[] {
  const adapt = nodes.find((node) => node.kind === 'adapt' && node.image === image);
  if (adapt !== undefined) return treeAfter(nodes, adapt).layers.slice(0, -1);
  const top = nodes.findLast(({id}) => id.startsWith(`customize:${image}/`));
  return top === undefined ? [] : treeAfter(nodes, top).layers;
}

/** `base:debian-bookworm-amd64` is `base`, `customize:web/packages` is `packages`, `adapt:web/hpc` is `adapt/hpc`. */
function shortName(id: string): string {
  const [kind = '', rest = ''] = id.split(/:(.*)/s);
  const part = rest.slice(rest.indexOf('/') + 1);
  if (kind === 'base') return kind;
  return kind === 'customize' ? part : `${kind}/${part}`;
}
