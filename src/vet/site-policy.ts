import {z} from 'zod';
import {FgError, isErrno} from '../errors.ts';
import {formatDiagnostics, sortDiagnostics} from '../spec/diagnostic.ts';
import {checkShape} from '../spec/explain.ts';
import {parseTree} from '../spec/parse.ts';
import {normalisePolicy, policyShape} from '../spec/policy.ts';
import {readSource} from '../spec/source.ts';
import {toJson} from '../spec/tree.ts';
import {overrides, type SitePolicy} from './policy.ts';

const Site = z.strictObject({
  version: z.literal(1).describe('Version of this format: 1.'),
  override: z
    .enum(overrides)
    .describe('What a spec may say against it: none, exceptions of its own, or all.')
    .exactOptional(),
  ...policyShape,
});

/** Everything that is wrong with a site's policy, ready to print. */
export class PolicyError extends FgError {
  readonly report: string;

  constructor(file: string, report: string) {
    super('POLICY_INVALID', `The site's policy ${file} is not valid`);
    this.report = report;
  }
}

/** The site's own policy, where it has one: $FGIMAGE_POLICY, else /etc/fgimage/policy.yaml. Throws `FgError`. */
export async function readSitePolicy(
  env: NodeJS.ProcessEnv = process.env,
  {color = false}: {readonly color?: boolean} = {},
): Promise<SitePolicy | undefined> {
  const {FGIMAGE_POLICY: named = ''} = env;
  const file = named === '' ? usualFile : named;
  const source = await readSource(file, file).catch((error: unknown) => {
    if (!(error instanceof FgError)) throw error;
    // A host has none, as a rule; one that is there and cannot be read is not as good as none.
    if (named === '' && isErrno(error.cause, 'ENOENT', 'ENOTDIR')) return undefined;
    throw new FgError('POLICY_INVALID', `The site's policy ${file} cannot be read`, {
      cause: error,
      hint: "Ask who looks after this host, or name the site's policy with $FGIMAGE_POLICY",
    });
  });
  if (source === undefined) return undefined;
  if (!source.ok) throw new PolicyError(file, formatDiagnostics([source.error], {color}));
  const tree = parseTree(source.value);
  if (!tree.ok) throw new PolicyError(file, formatDiagnostics(tree.error, {color}));
  const value = toJson(tree.value);
  const problems = sortDiagnostics(checkShape(Site, tree.value, value), [file]);
  if (problems.length > 0) throw new PolicyError(file, formatDiagnostics(problems, {color}));
  const parsed = Site.parse(value);
  return {...normalisePolicy(parsed), override: parsed.override ?? 'none'};
}

const usualFile = '/etc/fgimage/policy.yaml';
