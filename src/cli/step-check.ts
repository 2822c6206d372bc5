import type {StageNode} from '../plan/graph.ts';
import {isOnline} from '../plan/provision-parts.ts';
import type {StageFailure} from '../run/events.ts';
import {diagnosticAt, formatDiagnostic} from '../spec/diagnostic.ts';
import {readSecret} from '../spec/secret-source.ts';
import {type ReadSpec, specLocator} from './spec.ts';

export interface StepCheck {
  readonly nodes: readonly StageNode[];
  readonly spec: ReadSpec;
  readonly offline: boolean;
  /** Whether it is known what a stage gives, so that it need not run. */
  readonly isKnown: (stage: string) => boolean;
}

/**
 * What would end a step of `provision` that may have to run, found before anything is built: a secret that is not there, a
 * network that is off limits.
 */
export async function checkSteps(check: StepCheck): Promise<StageFailure | undefined> {
  const {nodes, spec, offline, isKnown} = check;
  const open = nodes.filter(({id, step}) => step !== undefined && !isKnown(id));
  const problems = open.flatMap((node) => {
    const path = node.origins[0]?.spec ?? [];
    const network =
      offline && isOnline(node)
        ? [
            {
              path: [...path, 'network'],
              message: `${node.id} has a network, which is off limits`,
              hint: 'Build it once without --offline, or take its network away',
            },
          ]
        : [];
    const secrets = (node.step?.secrets ?? []).flatMap((secret, index) => {
      const read = readSecret(secret, spec.projectDir);
      if (read.ok) return [];
      const message = `${node.id}: ${read.error.message}`;
      return [{path: [...path, 'secrets', index], message, hint: read.error.hint}];
    });
    return [...network, ...secrets].map((problem) => ({...problem, image: node.image ?? ''}));
  });
  if (problems.length === 0) return undefined;
  const locate = await specLocator(spec);
  return {
    reason: 'refused',
    message: 'A step of `provision` would not find what it needs',
    hint: 'Nothing was built: mend this first',
    details: problems.flatMap(({image, path, message, hint}) => {
      const position = locate(image, path);
      const text =
        position === undefined
          ? `error: ${message}\n  mend: ${hint}`
          : formatDiagnostic(diagnosticAt(position, {message, hint}), {color: false});
      return text.split('\n');
    }),
  };
}
