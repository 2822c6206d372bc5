import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  type Stats,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {requiredInput} from '../inputs.ts';
import type {StageContext} from '../stage.ts';
import {sourceDateEpoch} from '../tree.ts';

/**
 * Files that a step sees and that are no part of the image: a layer on top of the tree and below what the step writes.
 * So a step can write, replace and remove them as files of its own, which a mount would not let it.
 */
export class StepLayer {
  /** Below the cache, as `TreeCommand.above` wants it. */
  readonly folder: string;
  readonly #context: StageContext;
  /** Folders of the tree's layers, the topmost first. */
  readonly #layers: readonly string[];
  readonly #paths = new Set<string>();
  readonly #mountPoints: string[] = [];

  constructor(context: StageContext) {
    this.#context = context;
    this.folder = join(context.work, 'step-layer');
    this.#layers = context.node.layers.map((id) => requiredInput(context, id).path).reverse();
    mkdirSync(this.folder, {recursive: true});
  }

  /** What the tree below has at a path, as long as no link leads there. */
  below(path: string): {readonly entry: Stats; readonly place: string} | undefined {
    for (const layer of this.#layers) {
      const entry = entryIn(layer, path);
      if (entry === 'elsewhere') return undefined;
      if (entry !== undefined) return isWhiteout(entry) ? undefined : {entry, place: join(layer, path)};
    }
    return undefined;
  }

  add(path: string, content: string | Buffer, mode = 0o644): void {
    const place = join(this.folder, path);
    mkdirSync(dirname(place), {recursive: true});
    writeFileSync(place, content, {mode});
    this.#paths.add(path);
    // A folder that the step changes something in takes over what this layer says of it.
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
      const entry = this.below(folder)?.entry;
      chmodSync(join(this.folder, folder), (entry?.mode ?? 0o755) & 0o7777);
      const seconds = entry === undefined ? sourceDateEpoch(this.#context) : entry.mtimeMs / 1000;
      utimesSync(join(this.folder, folder), seconds, seconds);
    }
  }

  /** Notes down a path that something is mounted at: what is made for that does not stay. */
  mountPoint(path: string): void {
    const names = path.split('/').filter((name) => name !== '');
    names.forEach((_, index) => {
      const part = names.slice(0, index + 1).join('/');
      if (this.below(part) === undefined) this.#mountPoints.push(part);
    });
  }

  /** Takes out of the step's output what it has of this layer, and the places of mounts. */
  clean(): void {
    for (const path of this.#paths) {
      const entry = this.#own(path);
      if (entry === undefined) continue;
      const place = join(this.#context.output, path);
      const copied = entry.isFile() && readFileSync(place).equals(readFileSync(join(this.folder, path)));
      // Where the step removed the file, a mark says that it is gone: it was never there.
      if (copied || (isWhiteout(entry) && this.below(path) === undefined)) rmSync(place);
    }
    for (const path of this.#mountPoints.toReversed()) {
      if (this.#own(path)?.isDirectory() !== true) continue;
      try {
        rmdirSync(join(this.#context.output, path));
      } catch {
        // The step has written into it.
      }
    }
  }

  /** The text that the tree had at a path before the step. */
  textBelow(path: string): string {
    const found = this.below(path);
    return found?.entry.isFile() === true ? readFileSync(found.place, 'utf8') : '';
  }

  /** The text that the tree has at a path by now. */
  text(path: string): string {
    const own = this.#own(path);
    if (own === undefined) return this.textBelow(path);
    return own.isFile() ? readFileSync(join(this.#context.output, path), 'utf8') : '';
  }

  /** Gives a file another text, in the step's output; not where a link leads there. */
  rewrite(path: string, text: string): void {
    let place = this.#context.output;
    for (const name of path.split('/').slice(0, -1)) {
      place = join(place, name);
      const entry = lstatSync(place, {throwIfNoEntry: false});
      if (entry === undefined) mkdirSync(place);
      else if (!entry.isDirectory()) return;
    }
    const own = this.#own(path);
    if (own === undefined || own.isFile()) writeFileSync(join(this.#context.output, path), text);
  }

  /** Takes out of the output the files that are what they were before. */
  dropUnchanged(paths: readonly string[]): void {
    for (const path of paths) {
      const [own, below] = [this.#own(path), this.below(path)];
      if (own?.isFile() !== true || below?.entry.isFile() !== true) continue;
      const place = join(this.#context.output, path);
      const sameEntry =
        own.mode === below.entry.mode && own.uid === below.entry.uid && own.gid === below.entry.gid;
      if (sameEntry && readFileSync(place).equals(readFileSync(below.place))) rmSync(place);
    }
  }

  /** Removes files of the moment from the step's output. */
  drop(paths: readonly string[]): void {
    for (const path of paths) {
      const entry = this.#own(path);
      if (entry?.isFile() === true) rmSync(join(this.#context.output, path));
    }
  }

  /** What the output has at a path; nothing where a link leads there, which is not followed on the host. */
  #own(path: string): Stats | undefined {
    const entry = entryIn(this.#context.output, path);
    return entry === 'elsewhere' ? undefined : entry;
  }
}

/** What a layer has at a path; `elsewhere` where one of the folders above it is a link, or none: the host follows neither. */
function entryIn(layer: string, path: string): Stats | 'elsewhere' | undefined {
  let place = layer;
  for (const name of path.split('/').slice(0, -1)) {
    place = join(place, name);
    const entry = lstatSync(place, {throwIfNoEntry: false});
    if (entry === undefined) return undefined;
    if (!entry.isDirectory()) return 'elsewhere';
  }
  return lstatSync(join(layer, path), {throwIfNoEntry: false});
}

/** overlayfs's mark for a file that is gone (Documentation/filesystems/overlayfs.rst). */
function isWhiteout(entry: Stats): boolean {
  return entry.isCharacterDevice() && entry.rdev === 0;
}

/** Makes a folder that a sandbox binds, below the stage's scratch folder. */
export function scratchFolder(context: StageContext, name: string): string {
  const path = join(context.work, name);
  if (!existsSync(path)) mkdirSync(path, {recursive: true});
  return path;
}
