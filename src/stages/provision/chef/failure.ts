import {posix} from 'node:path';
import type {StageFailure} from '../../../run/events.ts';
import {cookbookFolders} from './client-config.ts';
import type {ChefEnd, Reason} from './progress.ts';

export interface FailureContext {
  /** As the spec calls the client. */
  readonly client: 'chef' | 'cinc';
  readonly version: string | undefined;
  readonly network: boolean;
  /** Folders of the project by name of cookbook. */
  readonly cookbooks: ReadonlyMap<string, string>;
  /** The stage, by the id that `fgimage logs` takes. */
  readonly stage: string;
}

/** A failed run in the words of its cookbooks, with their files by their places in the project. */
export function chefFailure(end: ChefEnd, context: FailureContext): StageFailure {
  const product = context.client === 'chef' ? 'Chef' : 'Cinc';
  const log = `log: fgimage logs ${context.stage}`;
  switch (end.kind) {
    case 'no-client':
      return {
        reason: 'refused',
        message: `There is no ${context.client}-client in the image`,
        hint: 'Say where it comes from: `deb: …` with its `sha256`, `package: …`, or its path under `installed`',
      };
    case 'other-version':
      return {
        reason: 'refused',
        message: `The client is ${product} ${end.version}, not ${context.version ?? 'another'}`,
        hint: 'Name a client of that version, or change `version`',
      };
    case 'reboot':
      return {
        reason: 'refused',
        message: `${product} ended the run early, for a reboot that a recipe asked for`,
        details: [log],
        hint: 'Nothing reboots while an image is built: ask with `action :request_reboot`, or put what follows into a step of its own',
      };
    case 'resource': {
      const {resource, action, cookbook, recipe, place} = end.failed;
      const where = projectPlace(place, context.cookbooks);
      const of = cookbook === '' ? '' : ` of ${cookbook}::${recipe}`;
      return {
        reason: 'refused',
        message: `${product} failed at ${resource} (${action})${of}${where === undefined ? '' : `, ${where}`}`,
        details: [...reasonLines(end.failed, context), log],
        hint: hint(end.failed, context),
      };
    }
    case 'run': {
      const where = projectPlace(end.reason.trace[0] ?? '', context.cookbooks);
      return {
        reason: 'refused',
        message: `${product} failed ${end.began ? 'though no resource did' : 'before it ran anything'}${where === undefined ? '' : `, at ${where}`}`,
        details: [...reasonLines(end.reason, context), log],
        hint: hint(end.reason, context),
      };
    }
  }
}

/** `file:line` in the project, of a line of a trace; undefined for what is in no cookbook. */
export function projectPlace(line: string, cookbooks: ReadonlyMap<string, string>): string | undefined {
  const folder = cookbookFolders.find((one) => line.startsWith(`${one}/`));
  if (folder === undefined) return undefined;
  const found = /^(?<name>[^/]+)\/(?<path>[^:]+)(:(?<number>\d+))?/.exec(
    line.slice(folder.length + 1),
  )?.groups;
  const {name = '', path = '', number} = found ?? {};
  // A policy's cookbooks have their identifier behind the name.
  const own = cookbooks.get(name) ?? cookbooks.get(name.replace(/-[0-9a-f]+$/, ''));
  if (own === undefined) return undefined;
  return `${posix.join(own, path)}${number === undefined ? '' : `:${number}`}`;
}

function reasonLines({error, message, trace}: Reason, {cookbooks}: FailureContext): readonly string[] {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  const places = trace.flatMap((line) => projectPlace(line, cookbooks) ?? []);
  return [
    `${error}: ${withPlaces(lines[0] ?? '', cookbooks)}`,
    ...lines.slice(1, mostLines).map((line) => `  ${withPlaces(line, cookbooks)}`),
    ...[...new Set(places)].map((line) => `at ${line}`),
  ];
}

const mostLines = 16;

/** With the project's names for the files that a message names. */
function withPlaces(line: string, cookbooks: ReadonlyMap<string, string>): string {
  return line.replaceAll(
    /\/run\/fgimage\/chef\/[^\s:'"`]+(:\d+)?/g,
    (path) => projectPlace(path, cookbooks) ?? path,
  );
}

const noNetwork =
  /getaddrinfo|Temporary failure (in name resolution|resolving)|Network is unreachable|ENETUNREACH|EHOSTUNREACH|Could not resolve|Failed to open TCP connection/;
const noPackage = /No candidate version|Unable to locate package|has no installation candidate/;

function hint({error, message}: Reason, {network}: FailureContext): string {
  if (!network && noPackage.test(message))
    return 'The step has no network: put the package into `packages`, or say `network: true`';
  if (!network && noNetwork.test(message))
    return 'The step has no network: say `network: true`, or bring with the cookbook what it fetches';
  if (/decrypt|SecretKey|encrypted_data_bag_secret|DecryptionFailure/i.test(`${error} ${message}`))
    return 'Name the secret that the data bag was encrypted with: `data_bag_secret`, and `secrets` of the step';
  if (/Read-only file system.*\/opt\//.test(message))
    return 'The client is mounted read-only: say `keep_client: true`, or install the gem otherwise';
  if (/licen[cs]e/i.test(error)) return "Accept Chef's licence: `chef_license: accept`";
  return 'Mend the recipe; `--keep-work on-failure` keeps the tree as it was left';
}
