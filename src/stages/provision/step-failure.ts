import type {StageFailure} from '../../run/events.ts';

/** What a step with a network says where the network is off limits. */
export const offlineRefusal: StageFailure = {
  reason: 'refused',
  message: 'The step has `network: true`, and the network is off limits',
  hint: 'Build it once without --offline, so that the cache has what it gives; or take its network away',
};

/** Says of a step's failure what is to be done about it, where it can be told. */
export function stepFailure(
  failure: StageFailure,
  {network, timeoutSeconds}: {readonly network: boolean; readonly timeoutSeconds: number | undefined},
): StageFailure {
  if (failure.reason === 'timed-out' && timeoutSeconds !== undefined)
    return {
      ...failure,
      what: 'The step',
      timeoutMs: timeoutSeconds * 1000,
      hint: 'Raise `timeout` in the entry of `provision`, or find out what it waits for: it gets no input',
    };
  if (failure.reason !== 'command-failed' || failure.hint !== undefined || network) return failure;
  const {lastLines} = failure;
  const missing = lastLines.map((line) => missingPackage.exec(line)?.groups?.['name']).find((name) => name);
  if (missing !== undefined)
    return {
      ...failure,
      hint: `Add ${missing} to \`packages\` of the image, or give the step \`network: true\``,
    };
  if (!lastLines.some((line) => noNetwork.test(line))) return failure;
  return {
    ...failure,
    hint: 'The step has no network: bring what it fetches by `packages`, `copy` or `write_files`, or give it `network: true`',
  };
}

/** What apt-get says of a package that it has no archive for. */
const missingPackage = /E: (?:Unable to locate package|Package '?)\s*(?<name>[a-z0-9][a-z0-9+.:-]*)/;
/** What resolvers and connect(2) say, in the words of the usual programs. */
const noNetwork =
  /Temporary failure (?:in name resolution|resolving)|Could not resolve|Name or service not known|Network is unreachable|Failed to establish a new connection|getaddrinfo/i;
