import {FgError} from '../../src/errors.ts';
import type {Settings} from './eucarc.ts';

/** A section of euca2ools.ini(5): `[user alice]`, `[region site:*]`. */
export interface IniSection {
  readonly kind: string;
  readonly name: string;
  readonly options: Settings;
}

/** Reads a file of euca2ools 3. `label`: what it is called in messages. */
export function readEucaIni(text: string, label: string): readonly IniSection[] {
  const sections: {kind: string; name: string; options: Map<string, {value: string; at: string}>}[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const at = `${label}:${index + 1}`;
    if (/^\s*([#;].*)?$/.test(line)) continue;
    const header = /^\[\s*(?<kind>[\w-]+)(?:\s+(?<name>[^\]]*?))?\s*\]\s*$/.exec(line)?.groups;
    if (header !== undefined) {
      sections.push({kind: header['kind'] ?? '', name: header['name'] ?? '', options: new Map()});
      continue;
    }
    const option = /^\s*(?<key>[\w-]+)\s*[=:]\s*(?<value>.*?)\s*$/.exec(line)?.groups;
    const section = sections.at(-1);
    if (option === undefined || section === undefined) {
      throw new FgError('CREDENTIALS_MISSING', `${at}: neither a [section] nor an option of one`, {
        hint: 'Write option = value lines below [user NAME] and [region NAME] (euca2ools.ini(5)).',
      });
    }
    section.options.set(option['key'] ?? '', {value: option['value'] ?? '', at});
  }
  return sections;
}

/**
 * The options of a name, by euca2ools.ini(5): of several sections that match, the one with fewer wildcards counts, and
 * of the same the later one.
 */
export function optionsOf(sections: readonly IniSection[], kind: string, name: string): Settings {
  const merged = new Map<string, {readonly value: string; readonly at: string}>();
  const matching = sections
    .filter((section) => section.kind === kind && matches(section.name, name))
    .toSorted((a, b) => wildcards(b.name) - wildcards(a.name));
  for (const {options} of matching) {
    for (const [key, option] of options) merged.set(key, option);
  }
  return merged;
}

function matches(pattern: string, name: string): boolean {
  const escaped = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('.*')}$`, 's').test(name);
}

function wildcards(pattern: string): number {
  return pattern.split('*').length - 1;
}
