import {listPins, type Pin, pin, unpin} from '../../cache/pins.ts';
import type {Store} from '../../cache/store.ts';
import {type CatalogImage, listImages} from '../catalog/catalog.ts';
import {FgError} from '../errors.ts';
import {nearest} from '../spec/nearest.ts';
import {formatSize, formatTime} from '../ui/format.ts';
import {formatTable} from '../ui/table.ts';

/**
 * `fgimage cache pin <image>[/<target>]`: keeps artifacts, as they were built last, from gc. Gives what to print. Throws
 * `FgError` for a name of nothing, before anything is pinned, and for content that is gone.
 */
export function pinImages(store: Store, words: readonly string[]): readonly string[] {
  const images = newestImages(listImages(store.database));
  const chosen = new Set(words.flatMap((word) => matching(word, images, nameOf)));
  return [...chosen].map((image) => {
    const {digest} = image;
    const name = nameOf(image);
    if (!pin(store, {name, digest, since: Date.now()})) {
      throw new FgError('USAGE', `The content of ${name} is no longer in the cache`, {
        hint: 'Build it again, then pin it',
      });
    }
    return `Pinned ${name} (${digest.slice(0, 12)}, ${formatSize(image.sizeBytes)})`;
  });
}

/** `fgimage cache unpin <image>[/<target>]` */
export function unpinImages(store: Store, words: readonly string[]): readonly string[] {
  const pins = listPins(store.database);
  const chosen = new Set(words.flatMap((word) => matching(word, pins, ({name}) => name)));
  return [...chosen].map(({name}) => {
    unpin(store, name);
    return `Unpinned ${name}`;
  });
}

/** A pin, and whether its content is there. */
export type ListedPin = Pin & {readonly present: boolean};

/** `fgimage cache pins` */
export function listedPins(store: Store): readonly ListedPin[] {
  return listPins(store.database).map((one) => ({...one, present: store.hasContent(one.digest)}));
}

export function pinsText(pins: readonly ListedPin[]): readonly string[] {
  if (pins.length === 0) return ['Nothing is pinned'];
  const rows = pins.map(({name, digest, since, present}) => [
    name,
    `${digest.slice(0, 12)}${present ? '' : ' (gone)'}`,
    formatTime(since),
  ]);
  return formatTable([['image', 'digest', 'since'], ...rows].map((row) => row.map((text) => ({text}))));
}

/** Of each image and target the one that was built last. */
function newestImages(images: readonly CatalogImage[]): readonly CatalogImage[] {
  const seen = new Set<string>();
  return images.filter((image) => !seen.has(nameOf(image)) && seen.add(nameOf(image)));
}

function nameOf({image, target}: CatalogImage): string {
  return `${image}/${target}`;
}

/** What a word names: an image with all its targets, or one target. */
function matching<Named>(
  word: string,
  all: readonly Named[],
  name: (one: Named) => string,
): readonly Named[] {
  const found = all.filter((one) => name(one) === word || name(one).startsWith(`${word}/`));
  if (found.length > 0) return found;
  const names = all.map(name);
  throw new FgError('USAGE', `There is no ${word} to choose`, {hint: hintFor(word, names)});
}

function hintFor(word: string, names: readonly string[]): string {
  const similar = nearest(word, [...names, ...names.map((name) => name.replace(/\/.*/, ''))]);
  if (similar !== undefined) return `Did you mean ${similar}?`;
  return names.length === 0 ? 'There is nothing yet' : `There are ${names.join(', ')}`;
}
