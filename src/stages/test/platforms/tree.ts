import {type Answer, notFound, textAnswer} from '../metadata.ts';

/** Metadata as EC2 serves them: a leaf is text, a folder lists its names, those of folders with a slash. */
export interface MetadataTree {
  readonly [name: string]: string | MetadataTree;
}

/** Answers for `/<version>/<path>`. A folder under a name that ends without a slash is listed as well, as EC2 does. */
export function lookUp(tree: MetadataTree, path: string): Answer {
  const [, , ...names] = path.replace(/\/+$/, '').split('/');
  let node: string | MetadataTree | undefined = tree;
  for (const name of names) {
    if (typeof node !== 'object' || !Object.hasOwn(node, name)) return notFound;
    node = node[name];
  }
  if (node === undefined) return notFound;
  return textAnswer(typeof node === 'string' ? node : listing(node));
}

function listing(folder: MetadataTree): string {
  const {[listed]: own} = folder;
  if (typeof own === 'string') return own;
  return Object.entries(folder)
    .map(([name, node]) => (typeof node === 'string' ? name : `${name}/`))
    .join('\n');
}

/** A folder that lists itself otherwise: `public-keys` has `0=<name>` for its folder `0`. */
export const listed = '';
