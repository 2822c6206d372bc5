import {z} from 'zod';
import {machineOf, versionOf} from './distributions.ts';
import {entryName, form, imagePath, line} from './fields.ts';
import type {Os, Provisioner, Secret} from './image.ts';

const duration = form(/^[1-9][0-9]{0,4}(s|m|h)$/, 'a duration', 'Write a whole number and s, m or h: 30m');
const words = z.union([entryName, z.array(entryName).min(1)]);

/** What may be said of every step of `provision`, beside the key of its kind. */
export const stepFields = {
  when: z
    .strictObject({
      distribution: words.describe('Distributions.').exactOptional(),
      release: words.describe('Releases, by code name or version in quotes.').exactOptional(),
      architecture: words.describe('Architectures.').exactOptional(),
      target: words.describe('Targets, by name or type.').exactOptional(),
    })
    .describe('The step is run where all of these hold.')
    .exactOptional(),
  network: z
    .boolean()
    .describe('Whether the step has a network: what it gives may then be another each time.')
    .exactOptional(),
  secrets: z
    .array(
      z.strictObject({
        name: entryName.describe('The step finds it in /run/secrets/<name>.'),
        file: line.describe('A file of this host with the value; ~ is the home folder.').exactOptional(),
        env: form(
          /^[A-Za-z_][A-Za-z0-9_]*$/,
          'the name of an environment variable',
          'Use letters, digits and `_`, no digit first',
        )
          .describe('An environment variable with the value.')
          .exactOptional(),
        version: line
          .describe('Stands for the value in the cache key; "1" where it is left out.')
          .exactOptional(),
      }),
    )
    .describe('Files that only this step sees, and that are in no layer, log or key.')
    .exactOptional(),
  caches: z
    .array(imagePath)
    .describe('Folders whose content persists between builds and is not in the image.')
    .exactOptional(),
  timeout: duration.describe('How long it may take, e.g. 30m.').exactOptional(),
};

interface WrittenStep {
  readonly when?: {
    readonly distribution?: string | readonly string[];
    readonly release?: string | readonly string[];
    readonly architecture?: string | readonly string[];
    readonly target?: string | readonly string[];
  };
  readonly network?: boolean;
  readonly secrets?: readonly {
    readonly name: string;
    readonly file?: string;
    readonly env?: string;
    readonly version?: string;
  }[];
  readonly caches?: readonly string[];
  readonly timeout?: string;
}

/** The keys of an entry that name no kind. */
export const stepKeys: ReadonlySet<string> = new Set(Object.keys(stepFields));

/** What an entry says of its step; undefined where its conditions leave it out of an image with this system. */
export function readStep(
  entry: Readonly<Record<string, unknown>>,
  os: Os,
): Omit<Provisioner, 'kind' | 'options'> | undefined {
  const {when = {}, network = false, secrets = [], caches = [], timeout} = entry as WrittenStep;
  const allows = (words: string | readonly string[] | undefined, value: string): boolean =>
    words === undefined || [words].flat().includes(value);
  if (
    !allows(when.distribution, os.distribution) ||
    !(allows(when.release, os.release) || allows(when.release, versionOf(os))) ||
    !(allows(when.architecture, os.architecture) || allows(when.architecture, machineOf(os.architecture)))
  )
    return undefined;
  return {
    ...(when.target === undefined ? {} : {when: {target: [when.target].flat()}}),
    network,
    secrets: secrets.map((secret): Secret => ({...secret, version: secret.version ?? '1'})),
    caches,
    ...(timeout === undefined ? {} : {timeout_seconds: seconds(timeout)}),
  };
}

/** Which of the written entries of `provision` is the `index`-th that an image with this system has. */
export function writtenIndex(
  entries: readonly unknown[],
  {os, index}: {readonly os: Os; readonly index: number},
): number {
  const kept = entries.flatMap((entry, at) =>
    isEntry(entry) && readStep(entry, os) !== undefined ? [at] : [],
  );
  return kept[index] ?? index;
}

function isEntry(entry: unknown): entry is Readonly<Record<string, unknown>> {
  return typeof entry === 'object' && entry !== null;
}

const unitSeconds: Readonly<Record<string, number>> = {s: 1, m: 60, h: 3600};

function seconds(text: string): number {
  return Number(text.slice(0, -1)) * (unitSeconds[text.slice(-1)] ?? Number.NaN);
}
