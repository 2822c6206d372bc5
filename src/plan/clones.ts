/** Packages that another image has on the same root, and that are brought from the cache before the rest is installed. */
export interface Clone {
  /** What was asked for there, a layer each, the lowest first: parts of what this one asks for. */
  readonly layers: readonly (readonly string[])[];
  /** The stage that made it, for people. */
  readonly from: string;
}

/** What is cloned, by the id of the stage whose packages it is a part of (docs/decisions/0016). */
export type Clones = ReadonlyMap<string, Clone>;

/** Name of the stage that brings a layer of what is cloned, and its id, by that of the stage that installs the rest. */
export function cloneStage(packages: string, layer: number): {readonly name: string; readonly id: string} {
  const name = layer === 0 ? 'shared' : `shared-${String(layer + 1)}`;
  return {name, id: packages.replace(/[^/]*$/, name)};
}
