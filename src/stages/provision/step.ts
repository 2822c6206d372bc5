import type {Result} from '../../result.ts';
import type {StageFailure} from '../../run/events.ts';
import type {JsonObject} from '../../spec/image.ts';
import type {StageContext} from '../stage.ts';
import type {TreeCommand} from '../tree.ts';

/** What a kind of provisioner gets to run one step with. */
export interface StepContext {
  readonly stage: StageContext;
  /** As the kind's `interpret` gave them. */
  readonly options: JsonObject;
  /** Tells of packages that the image is to have, and that may have come for the step only: they stay. */
  readonly keep: (packages: readonly string[]) => void;
  /**
   * Runs a command with the step's network, secrets, caches and time limit, in which service actions are noted down in
   * the place of being done. Called any number of times; a non-zero exit is a failure with the log's last lines.
   */
  readonly run: (command: StepCommand) => Promise<Result<void, StageFailure>>;
}

/** As `TreeCommand`, but for what the step's own settings say. */
export type StepCommand = Omit<TreeCommand, 'network' | 'writable' | 'timeoutMs'>;

export type StepRunner = (step: StepContext) => Promise<Result<void, StageFailure>>;
