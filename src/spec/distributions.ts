import {existsSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../package-root.ts';
import type {Os} from './image.ts';
import {isOnlyImported, type Release, readTemplate} from './template.ts';

/** What is known of distributions, their releases and architectures: the data of `templates/`. */
let known: readonly string[] | undefined;
let imported: readonly string[] | undefined;

/** Names of the distributions that fgimage makes roots of. */
export function distributions(): readonly string[] {
  return everyDistribution().filter((name) => !importedDistributions().includes(name));
}

/** Names of those whose roots are only imported; `other` is whatever has no name here. */
export function importedDistributions(): readonly string[] {
  imported ??= everyDistribution().filter((name) => isOnlyImported(readTemplate(name)));
  return imported;
}

/** All names that `os.distribution` may have: those that there is a template of. */
export function everyDistribution(): readonly string[] {
  known ??= readdirSync(join(packageRoot, 'templates'), {withFileTypes: true})
    .filter((entry) => existsSync(join(packageRoot, 'templates', entry.name, 'template.json')))
    .map(({name}) => name)
    .sort();
  return known;
}

/**
 * The name of a release, which a spec may also call by its version or another word: `12` is `bookworm`, `testing` is
 * `forky`. What no template knows is given back as it is. Without a distribution the first that knows the word counts.
 */
export function codeName(release: string, distribution?: string): string {
  for (const name of distribution === undefined ? everyDistribution() : [distribution]) {
    if (!everyDistribution().includes(name)) continue;
    const {releases} = readTemplate(name);
    if (releases[release] !== undefined) return release;
    const found = Object.entries(releases).find(([, one]) => wordsOf(one).includes(release));
    if (found !== undefined) return found[0];
  }
  return release;
}

function wordsOf({version, aliases = []}: Release): readonly string[] {
  return [version, ...aliases];
}

/** Every word for a release that a spec may use: code names, versions and others, of one distribution or of all. */
export function releaseWords(distribution?: string): readonly string[] {
  const names = distribution === undefined ? everyDistribution() : [distribution];
  const words = names.flatMap((name) =>
    Object.entries(readTemplate(name).releases).flatMap(([release, one]) => [release, ...wordsOf(one)]),
  );
  return [...new Set(words)];
}

/** The version of an OS's release, e.g. `12`. */
export function versionOf({distribution, release}: Pick<Os, 'distribution' | 'release'>): string {
  return readTemplate(distribution).releases[release]?.version ?? release;
}

/** Architectures in Debian's words, with the kernel's (uname(2), machine). */
const machines: Readonly<Record<Os['architecture'], string>> = {amd64: 'x86_64', arm64: 'aarch64'};

/** Every word for an architecture that a spec may use. */
export const architectureWords: readonly string[] = Object.entries(machines).flat();

/** Debian's word for an architecture that a spec names by either word. */
export function architectureOf(word: string): Os['architecture'] {
  const found = Object.entries(machines).find((words) => words.includes(word));
  return (found?.[0] ?? 'amd64') as Os['architecture'];
}

/** The kernel's word: `x86_64`, `aarch64`. */
export function machineOf(architecture: Os['architecture']): string {
  return machines[architecture];
}
