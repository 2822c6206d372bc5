import type {AdaptPlan} from '../../targets/contract.ts';
import type {StageKind, StageNode} from '../plan/graph.ts';
import type {JsonObject} from '../spec/image.ts';

/** What a stage asks apt for. */
interface AptWords {
  readonly install: readonly string[];
  readonly remove: readonly string[];
}

/** The kinds of stages that install packages. */
const requests: Partial<Record<StageKind, (params: JsonObject) => AptWords | undefined>> = {
  base: ({packages}) => ({install: packages as readonly string[], remove: []}),
  packages: ({install, remove}) => ({
    install: install as readonly string[],
    remove: remove as readonly string[],
  }),
  provision: ({install}) =>
    install === undefined ? undefined : {install: install as readonly string[], remove: []},
  adapt: ({plan}) => ({install: (plan as unknown as AdaptPlan).packages, remove: []}),
  initramfs: ({plan}) => ({install: (plan as unknown as AdaptPlan).initramfsPackages, remove: []}),
};

/** What a stage asks apt for; undefined for a stage that installs nothing by its kind. */
export function requestOf({kind, params}: Pick<StageNode, 'kind' | 'params'>): AptWords | undefined {
  return requests[kind]?.(params);
}
