import {quote} from './diagnostic.ts';
import {architectureOf, architectureWords, codeName} from './distributions.ts';
import {axes, bareMatrix, type Combination, combinations, plainValue} from './matrix.ts';
import {mergeMaps, tidy} from './merge.ts';
import {nearest} from './nearest.ts';
import type {Reporter} from './report.ts';
import {
  type Entry,
  entriesAt,
  type MapTree,
  type ScalarTree,
  type Tree,
  textAt,
  treeAt,
  withEntries,
} from './tree.ts';

/** One image of the merged spec, still as a tree: the keys of an image, defaults folded in. */
export interface ImageTree {
  /** Final name: `web`, or `web-trixie` where a matrix made it. */
  readonly name: string;
  /** The key under `images`, else the name of the spec. */
  readonly entry: string;
  readonly body: MapTree;
  /** Final name of the image it is built on. */
  readonly from?: string;
  /** Which image of a matrix it is. */
  readonly combination?: Combination;
}

/** Keys of a file that no image has. */
const fileKeys = new Set(['version', 'name', 'extends', 'profiles', 'cache', 'images']);

/** The images of a merged spec file in the order of `from`: an image comes after the one it is built on. */
export function expandImages(file: MapTree, report: Reporter): readonly ImageTree[] {
  const defaults = withEntries(
    file,
    [...file.entries].filter(([key]) => !fileKeys.has(key)),
  );
  const name = textAt(file, 'name')?.value ?? '';
  const single = file.entries.get('images') === undefined;
  const bodies: (readonly [string, MapTree])[] = single
    ? [[name, defaults]]
    : entriesAt(file, 'images').map(([entry, {value}]) => [entry, imageBody(defaults, value)]);
  const systems = new Systems(file, defaults);
  const images = bodies.flatMap(([entry, body]) => expandMatrix(entry, systems.apply(entry, body), report));
  const linked = images.map((image) => link(image, images, report));
  reportRepeatedNames(linked, report);
  return inOrder(linked, report);
}

function imageBody(defaults: MapTree, entry: Tree): MapTree {
  if (entry.kind !== 'map') return defaults;
  return mergeMaps(entry.entries.has('from') ? withoutLists(defaults) : defaults, entry);
}

/** What an image with `from` takes from the top level: its parent has the lists already, and names the system. */
function withoutLists(defaults: MapTree): MapTree {
  const kept = [...defaults.entries]
    .filter(([key, {value}]) => key === 'targets' || (value.kind !== 'list' && !ofParent.has(key)))
    .map(bareMatrixEntry);
  return withEntries(defaults, kept);
}

/** Whatever their values are. */
const ofParent: ReadonlySet<string> = new Set(['services', 'base']);

function bareMatrixEntry([key, entry]: readonly [string, Entry]): readonly [string, Entry] {
  return key === 'matrix' ? [key, {...entry, value: bareMatrix(entry.value)}] : [key, entry];
}

/** `os` and `matrix`: an image that is built on another has its parent's, unless it says something of its own. */
class Systems {
  readonly #file: MapTree;
  readonly #defaults: MapTree;

  constructor(file: MapTree, defaults: MapTree) {
    this.#file = file;
    this.#defaults = defaults;
  }

  apply(entry: string, body: MapTree): MapTree {
    const owner = this.#owner(entry);
    if (owner === entry) return body;
    const parent = imageBody(this.#defaults, treeAt(this.#file, ['images', owner]) ?? this.#defaults);
    const rest = [...body.entries].filter(([key]) => key !== 'os' && key !== 'matrix');
    const system = [...parent.entries].filter(([key]) => key === 'os' || key === 'matrix');
    return withEntries(body, [...rest, ...system.map(bareMatrixEntry)]);
  }

  /** The image whose system an image has: itself, or the one up the line of `from` that says its own. */
  #owner(entry: string): string {
    const trail = [entry];
    for (let at = entry; ; ) {
      const image = treeAt(this.#file, ['images', at]);
      const from = textAt(image, 'from')?.value;
      const own = treeAt(image, ['os']) !== undefined || treeAt(image, ['matrix']) !== undefined;
      if (own || from === undefined || trail.includes(from)) return at;
      if (treeAt(this.#file, ['images', from]) === undefined) return at;
      trail.push(from);
      at = from;
    }
  }
}

/** The images that an entry stands for: itself, or one for each combination of its matrix. */
function expandMatrix(entry: string, body: MapTree, report: Reporter): ImageTree[] {
  const matrix = treeAt(body, ['matrix']);
  if (matrix === undefined) return [{name: entry, entry, body: tidy(body)}];
  const bare = withEntries(
    body,
    [...body.entries].filter(([key]) => key !== 'matrix'),
  );
  const distribution = textAt(bare, 'os', 'distribution')?.value;
  return combinations(matrix, distribution, report).map((combination) => {
    const {values, overlay} = combination;
    const words = [...values].map(([axis, value]) => plainValue(axis, value, distribution));
    const varied = withSystem(overlay === undefined ? bare : mergeMaps(bare, overlay), values);
    return {name: [entry, ...words].join('-'), entry, body: tidy(varied), combination};
  });
}

/** `os` with the release and the architecture of a combination. */
function withSystem(body: MapTree, values: Combination['values']): MapTree {
  const os = treeAt(body, ['os']);
  const said = [...values].filter(([axis]) => axis !== 'variant');
  const first = said[0]?.[1];
  if (first === undefined) return body;
  const entries = new Map(os?.kind === 'map' ? os.entries : []);
  for (const [axis, value] of said) entries.set(axis, {keySite: value.site, value});
  const site = os?.site ?? first.site;
  const keySite = body.entries.get('os')?.keySite ?? first.site;
  return withEntries(body, new Map(body.entries).set('os', {keySite, value: {kind: 'map', entries, site}}));
}

/** Finds the image that `from` names; where a matrix made several of it, the one with the same values. */
function link(image: ImageTree, images: readonly ImageTree[], report: Reporter): ImageTree {
  const from = textAt(image.body, 'from');
  if (from === undefined) return image;
  const variants = images.filter(({entry}) => entry === from.value);
  const fitting = variants.length === 1 ? variants : variants.filter((variant) => fits(image, variant));
  const [parent] = fitting;
  if (parent === undefined || fitting.length > 1) {
    report.at(from.site, unknownParent(from.value, images, {image, variants, fitting}));
    return image;
  }
  checkOs(image, parent, report);
  return {...image, from: parent.name};
}

/** Whether an image of a matrix is the one to build on: the same system, and the same variant where both have any. */
function fits(image: ImageTree, parent: ImageTree): boolean {
  return axes.every((axis) => {
    const mine = image.combination?.values.get(axis) ?? treeAt(image.body, ['os', axis]);
    const theirs = parent.combination?.values.get(axis) ?? treeAt(parent.body, ['os', axis]);
    if (mine === undefined || theirs === undefined) return true;
    const distribution = textAt(parent.body, 'os', 'distribution')?.value;
    return plainValue(axis, mine, distribution) === plainValue(axis, theirs, distribution);
  });
}

function unknownParent(
  name: string,
  images: readonly ImageTree[],
  {
    image,
    variants,
    fitting,
  }: {
    readonly image: ImageTree;
    readonly variants: readonly ImageTree[];
    readonly fitting: readonly ImageTree[];
  },
) {
  if (fitting.length > 1) {
    const names = fitting.map((one) => one.name).join(', ');
    const message = `${quote(name)} is built several times, as ${names}`;
    return {
      message,
      hint: 'Write the same `matrix` here, so that it is known which one this image is built on',
    };
  }
  if (variants.length > 0) {
    const isVaried = variants.some(({combination}) => (combination?.values.size ?? 0) > 1);
    const message = `${quote(name)} is not built for the ${isVaried ? 'values of the matrix' : 'release'} of this image`;
    return {
      message,
      hint: `Built are ${variants.map((one) => one.name).join(', ')}: write the same \`matrix\` here`,
    };
  }
  const message = `There is no image ${quote(name)}`;
  const made = images.find((one) => one.name === name && one.entry !== image.entry);
  if (made !== undefined)
    return {message, hint: `Write \`${made.entry}\`: it meets the one of its matrix with the same values`};
  // An image is not built on itself.
  const names = [...new Set(images.map(({entry}) => entry))].filter((entry) => entry !== image.entry);
  const near = nearest(name, names);
  if (near !== undefined) return {message, hint: `Write \`${near}\``};
  const others = names.length === 0 ? 'Remove `from`: the spec has no other image' : undefined;
  return {message, hint: others ?? `Other images of this spec: ${names.join(', ')}`};
}

function checkOs(image: ImageTree, parent: ImageTree, report: Reporter): void {
  for (const key of ['distribution', 'release', 'architecture'] as const) {
    const mine = textAt(image.body, 'os', key);
    const theirs = textAt(parent.body, 'os', key);
    if (mine === undefined || theirs === undefined || sameOs(mine, theirs)) continue;
    report.at(mine.site, {
      message: `os.${key} is ${mine.value}, but ${parent.name}, which this image is built on, has ${theirs.value}`,
      hint: 'Remove `os` here, or build on an image with the same system',
    });
  }
}

function sameOs(a: ScalarTree & {value: string}, b: ScalarTree & {value: string}): boolean {
  const plain = (text: string): string =>
    codeName(architectureWords.includes(text) ? architectureOf(text) : text);
  return plain(a.value) === plain(b.value);
}

function reportRepeatedNames(images: readonly ImageTree[], report: Reporter): void {
  const seen = new Set<string>();
  for (const {name, body, combination} of images) {
    if (seen.has(name)) {
      const written = [...(combination?.values.values() ?? [])].at(-1) ?? treeAt(body, ['os', 'release']);
      report.at(written?.site ?? body.site, {
        message: `Two images are named ${quote(name)}`,
        hint: 'Rename one, or list each value of a matrix once',
      });
    }
    seen.add(name);
  }
}

/** Parents first, else as written; a circle is reported once, at the `from` that closes it. */
function inOrder(images: readonly ImageTree[], report: Reporter): readonly ImageTree[] {
  const byName = new Map(images.map((image) => [image.name, image]));
  const done = new Set<ImageTree>();
  const visit = (image: ImageTree, trail: readonly ImageTree[]): void => {
    if (done.has(image)) return;
    if (trail.includes(image)) {
      const circle = [...trail.slice(trail.indexOf(image)), image].map(({name}) => name).join(' → ');
      const site = treeAt(trail.at(-1)?.body, ['from'])?.site ?? image.body.site;
      report.at(site, {
        message: `The images are built on each other in a circle: ${circle}`,
        hint: 'Remove one `from`',
      });
      return;
    }
    const parent = image.from === undefined ? undefined : byName.get(image.from);
    if (parent !== undefined) visit(parent, [...trail, image]);
    done.add(image);
  };
  for (const image of images) visit(image, []);
  return [...done];
}
