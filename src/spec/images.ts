import {quote} from './diagnostic.ts';
import {architectureOf, architectureWords, codeName} from './distributions.ts';
import {mergeMaps, tidy} from './merge.ts';
import {nearest} from './nearest.ts';
import type {Reporter} from './report.ts';
import {
  entriesAt,
  itemsAt,
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
}

/** Keys of a file that no image has. */
const fileKeys = new Set(['version', 'name', 'extends', 'cache', 'images']);

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
  const images = bodies.flatMap(([entry, body]) => expandMatrix(entry, tidy(systems.apply(entry, body))));
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
  const kept = [...defaults.entries].filter(
    ([key, {value}]) => key === 'targets' || (value.kind !== 'list' && key !== 'services'),
  );
  return withEntries(defaults, kept);
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
    return withEntries(body, [...rest, ...system]);
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

function expandMatrix(entry: string, body: MapTree): ImageTree[] {
  const bare = withEntries(
    body,
    [...body.entries].filter(([key]) => key !== 'matrix'),
  );
  if (!body.entries.has('matrix')) return [{name: entry, entry, body: bare}];
  return itemsAt(body, 'matrix', 'release').map((release) => {
    const text = release.kind === 'scalar' ? String(release.value) : '';
    return {
      name: `${entry}-${codeName(text, textAt(bare, 'os', 'distribution')?.value)}`,
      entry,
      body: withRelease(bare, release),
    };
  });
}

function withRelease(body: MapTree, release: Tree): MapTree {
  const os = treeAt(body, ['os']);
  const value = {keySite: release.site, value: release};
  const entries =
    os?.kind === 'map' ? new Map(os.entries).set('release', value) : new Map([['release', value]]);
  const site = os?.site ?? release.site;
  const keySite = body.entries.get('os')?.keySite ?? release.site;
  return withEntries(body, new Map(body.entries).set('os', {keySite, value: {kind: 'map', entries, site}}));
}

/** Finds the image that `from` names; where a matrix made several of it, the one with the same release. */
function link(image: ImageTree, images: readonly ImageTree[], report: Reporter): ImageTree {
  const from = textAt(image.body, 'from');
  if (from === undefined) return image;
  const variants = images.filter(({entry}) => entry === from.value);
  const release = releaseOf(image);
  const parent =
    variants.length === 1 ? variants[0] : variants.find((variant) => releaseOf(variant) === release);
  if (parent === undefined) {
    report.at(from.site, unknownParent(from.value, images, variants));
    return image;
  }
  checkOs(image, parent, report);
  return {...image, from: parent.name};
}

function unknownParent(name: string, images: readonly ImageTree[], variants: readonly ImageTree[]) {
  if (variants.length > 0) {
    const message = `${quote(name)} is not built for the release of this image`;
    return {
      message,
      hint: `Built are ${variants.map((one) => one.name).join(', ')}: write the same \`matrix\` here`,
    };
  }
  const names = [...new Set(images.map(({entry}) => entry))];
  const near = nearest(name, names);
  const hint = near === undefined ? `Images of this spec: ${names.join(', ')}` : `Write \`${near}\``;
  return {message: `There is no image ${quote(name)}`, hint};
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

function releaseOf({body}: ImageTree): string {
  return codeName(textAt(body, 'os', 'release')?.value ?? '', textAt(body, 'os', 'distribution')?.value);
}

function reportRepeatedNames(images: readonly ImageTree[], report: Reporter): void {
  const seen = new Set<string>();
  for (const {name, body} of images) {
    if (seen.has(name)) {
      const site = treeAt(body, ['os', 'release'])?.site ?? body.site;
      report.at(site, {
        message: `Two images are named ${quote(name)}`,
        hint: 'Rename one, or list each release once',
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
