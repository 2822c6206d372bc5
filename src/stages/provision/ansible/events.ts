import type {StageFailure} from '../../../run/events.ts';
import type {StageContext} from '../../stage.ts';

/** What plugins/callback/fgimage.py and launch.sh tell, behind their mark. */
interface AnsibleEvent {
  readonly event: string;
  /** Of a play. */
  readonly name?: string;
  readonly role?: string;
  readonly task?: string;
  /** `<file>:<line>` as the program sees it. */
  readonly path?: string;
  readonly item?: string;
  readonly msg?: string;
  readonly handler?: boolean;
}

const mark = 'fgimage-ansible: ';

/** Where ansible-playbook sees the project. */
export const projectPlace = '/run/fgimage/ansible/project';

/** Follows a run of ansible-playbook: shows what it does, writes a log that can be read, and knows why it failed. */
export class AnsibleRun {
  readonly #stage: Pick<StageContext, 'progress' | 'log'>;
  readonly #network: boolean;
  readonly #log: string;
  #plays = 0;
  #empty = 0;
  /** The last failure that was not ignored, an item's before its task's. */
  #failed: AnsibleEvent | undefined;
  #lacks: 'python' | 'ansible' | undefined;

  constructor(
    stage: Pick<StageContext, 'progress' | 'log'>,
    {network, id}: {readonly network: boolean; readonly id: string},
  ) {
    this.#stage = stage;
    this.#network = network;
    this.#log = `log: fgimage logs ${id}`;
  }

  /** For `onLine`: whether the line goes to the log as it is. */
  readonly line = (line: string): boolean => {
    const told = readEvent(line);
    if (told === undefined) {
      if (!line.includes(projectPlace)) return true;
      this.#stage.log.write(inProject(line));
      return false;
    }
    this.#note(told);
    const text = sentence(told);
    if (text !== undefined) for (const one of text.split('\n')) this.#stage.log.write(one);
    return false;
  };

  /** Why the run, which may have ended well, is none; undefined where all is well or no event tells. */
  failure(isDone: boolean): StageFailure | undefined {
    if (this.#lacks === 'python')
      return {
        reason: 'refused',
        message: 'The image has no python3, which Ansible runs its modules with',
        hint: 'Add `python3` to `packages` (and `python3-apt`, where the plays use the module apt)',
      };
    if (this.#lacks === 'ansible')
      return {
        reason: 'refused',
        message: 'The image has no ansible-playbook',
        hint: 'Add `ansible-core` to `packages`, or remove `via: image`',
      };
    if (isDone)
      return this.#plays > this.#empty
        ? undefined
        : {
            reason: 'refused',
            message: 'No play was for this image',
            hint: 'Name its inventory groups in `groups`, or write `hosts: all` in the play',
          };
    if (this.#failed === undefined) return undefined;
    const [first = 'it gave no reason', ...more] = inProject(this.#failed.msg ?? '').split('\n');
    return {
      reason: 'refused',
      message: `${titleOf(this.#failed)} failed (${inProject(this.#failed.path ?? '')}): ${first}`,
      hint: this.#mend(first),
      details: [...more.slice(-12), this.#log],
    };
  }

  #note(told: AnsibleEvent): void {
    switch (told.event) {
      case 'play':
        this.#plays += 1;
        break;
      case 'no-hosts':
        this.#empty += 1;
        break;
      case 'no-python':
        this.#lacks = 'python';
        break;
      case 'no-ansible':
        this.#lacks = 'ansible';
        break;
      case 'task':
        this.#stage.progress(titleOf(told));
        break;
      case 'item-ok':
      case 'item-changed':
        this.#stage.progress(titleOf(told));
        break;
      case 'item-failed':
        this.#failed = told;
        break;
      case 'ignored':
        this.#failed = undefined;
        break;
      case 'failed':
        // Of a loop, the task's own reason is only that an item failed.
        if (this.#failed?.path !== told.path || this.#failed?.item === undefined) this.#failed = told;
        break;
      default:
        break;
    }
  }

  #mend(reason: string): string {
    if (/python3?-apt|python3?-dnf|python library/i.test(reason))
      return 'Add the Python library to `packages`: `python3-apt` for the module apt, `python3-dnf` for dnf';
    if (!this.#network && noNetworkWords.test(reason))
      return 'The step has no network: add the packages to `packages`, or write `network: true` beside `ansible`';
    return 'Mend the task; `fgimage build --keep-work` keeps what it left';
  }
}

const noNetworkWords =
  /No package matching|Failed to fetch|Unable to locate package|Temporary failure|resolve host|Network is unreachable|urlopen error|Failed to download/i;

export function readEvent(line: string): AnsibleEvent | undefined {
  if (!line.startsWith(mark)) return undefined;
  try {
    const value: unknown = JSON.parse(line.slice(mark.length));
    return typeof value === 'object' && value !== null && 'event' in value
      ? (value as AnsibleEvent)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** `web : install nginx (item)`. */
function titleOf({role, task = '', item}: AnsibleEvent): string {
  return `${role === undefined ? '' : `${role}: `}${task}${item === undefined ? '' : ` (${inProject(item)})`}`;
}

/** A line of the log; undefined for what is told by another. */
function sentence(told: AnsibleEvent): string | undefined {
  const {event, name, path, item, msg} = told;
  switch (event) {
    case 'play':
      return `PLAY ${name ?? ''}`;
    case 'no-hosts':
      return 'skipped: no host matches';
    case 'task':
      return `${told.handler === true ? 'HANDLER' : 'TASK'} ${titleOf(told)} (${inProject(path ?? '')})`;
    case 'no-python':
    case 'no-ansible':
      return undefined;
    default:
      return `  ${event.replace('item-', '')}${item === undefined ? '' : ` ${inProject(item)}`}${msg === undefined || msg === '' ? '' : `: ${inProject(msg)}`}`;
  }
}

function inProject(text: string): string {
  return text.replaceAll(`${projectPlace}/`, '');
}
