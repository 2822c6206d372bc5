/** What a text about a disk may speak of (`TextOutput` in targets/contract.ts). */
export interface TextFacts {
  readonly virtualSizeBytes: number;
  /** Of another output or member. */
  readonly size: (fileName: string) => number;
  readonly sha256: (fileName: string) => string;
  /** Derived from what is packed and a word. */
  readonly uuid: (word: string) => string;
}

const gibibyte = 2 ** 30;
const placeholder = /\{\{(?<what>[a-z0-9-]+)(?::(?<of>[^{}]+))?\}\}/g;

/** The names of files that a template speaks of. */
export function namedFiles(template: string): readonly string[] {
  return [...template.matchAll(placeholder)].flatMap(({groups = {}}) =>
    groups['of'] !== undefined && groups['what'] !== 'uuid' ? [groups['of']] : [],
  );
}

/** The text of a template. A placeholder that there is not is a defect of the target. */
export function fillTemplate(template: string, facts: TextFacts): string {
  return template.replaceAll(placeholder, (whole: string, what: string, of?: string) => {
    if (of === undefined && what === 'virtual-size-bytes') return String(facts.virtualSizeBytes);
    if (of === undefined && what === 'virtual-size-gib')
      return String(Math.ceil(facts.virtualSizeBytes / gibibyte));
    if (of !== undefined && what === 'size') return String(facts.size(of));
    if (of !== undefined && what === 'sha256') return facts.sha256(of);
    if (of !== undefined && what === 'uuid') return facts.uuid(of);
    throw new Error(`A target's text has an unknown placeholder ${whole}`);
  });
}
