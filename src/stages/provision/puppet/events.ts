import type {StageFailure} from '../../../run/events.ts';
import type {StageContext} from '../../stage.ts';

/** Where puppet sees the project. */
export const projectPlace = '/run/fgimage/puppet/project';

/** A resource that failed, as modules/fgimage/lib/puppet/reports/fgimage.rb tells it. */
interface FailedResource {
  readonly resource: string;
  /** From `Stage[main]` over classes to the resource. */
  readonly containment: readonly string[];
  readonly file: string | null;
  readonly line: number | null;
  readonly messages: readonly string[];
}

const mark = 'fgimage-puppet: ';

/** `--evaltrace`: `Info: /Stage[main]/Web/File[/etc/motd]: Starting to evaluate the resource (3 of 8)`. */
const starting = /^Info: (?<path>.+): Starting to evaluate the resource(?: \((?<nth>\d+) of (?<all>\d+)\))?$/;

/**
 * What else is of no use in a log; Facter looks into /sys, which a sandbox has not, and at PID 1, which is not
 * for it to see where an ordinary user builds.
 */
const idle = /^Info: .+: Evaluated in [\d.]+ seconds$|^Error: Facter: .* \/(sys|proc)\//;

/** What is wrong with a manifest: `Error: Evaluation Error: … (file: F, line: 3, column: 5) on node N`. */
const invalid =
  /^Error: (?<why>.*?)(?:,)? \(file: (?<file>[^,)]+)(?:, line: (?<line>\d+))?(?:, column: \d+)?\)(?: on node \S+)?$/;

/** Follows a run of `puppet apply`: shows its resources, writes a log that can be read, and knows why it failed. */
export class PuppetRun {
  readonly #stage: Pick<StageContext, 'progress' | 'log'>;
  readonly #network: boolean;
  readonly #log: string;
  readonly #failed: FailedResource[] = [];
  #invalid: string | undefined;
  #isMissing = false;

  constructor(
    stage: Pick<StageContext, 'progress' | 'log'>,
    {network, id}: {readonly network: boolean; readonly id: string},
  ) {
    this.#stage = stage;
    this.#network = network;
    this.#log = `log: fgimage logs ${id}`;
  }

  /** For `onLine`: whether the line goes to the log as it is. */
  readonly line = (written: string): boolean => {
    const line = withoutColour(written);
    if (line.startsWith(mark)) return this.#told(line.slice(mark.length));
    const resource = starting.exec(line)?.groups;
    if (resource !== undefined) {
      const {path = '', nth, all} = resource;
      // Classes and stages have no path; they only hold resources.
      if (path.startsWith('/'))
        this.#stage.progress(nameOf(path), nth === undefined ? undefined : Number(nth) / Number(all));
      return false;
    }
    if (idle.test(line)) return false;
    const wrong = invalid.exec(line)?.groups;
    if (wrong !== undefined)
      this.#invalid ??= `${inProject(wrong['file'] ?? '')}:${wrong['line'] ?? '1'}: ${wrong['why'] ?? ''}`;
    if (line === written && !line.includes(projectPlace)) return true;
    this.#stage.log.write(inProject(line));
    return false;
  };

  /** Why the run failed; undefined where it did not, or nothing tells. */
  failure(isDone: boolean): StageFailure | undefined {
    if (isDone) return undefined;
    if (this.#isMissing)
      return {
        reason: 'refused',
        message: 'The image has no puppet',
        hint: 'Remove `client: image`, or add the package with Puppet to `packages`',
      };
    const [first, ...others] = this.#failed;
    if (first === undefined) {
      return this.#invalid === undefined
        ? undefined
        : {reason: 'refused', message: this.#invalid, hint: 'Mend the manifest', details: [this.#log]};
    }
    const [why = 'it gave no reason', ...more] = reasonLines(first);
    return {
      reason: 'refused',
      message: `${titleOf(first)} failed: ${why}`,
      hint:
        !this.#network && noNetworkWords.test(first.messages.join('\n'))
          ? 'The step has no network: add the packages to `packages`, or write `network: true` beside `puppet`'
          : 'Mend the resource; `fgimage build --keep-work` keeps what it left',
      details: [
        ...more.slice(-12),
        ...others.map((one) => `${titleOf(one)} failed too: ${reasonLines(one).at(-1) ?? ''}`),
        this.#log,
      ],
    };
  }

  #told(json: string): boolean {
    const value = JSON.parse(json) as FailedResource | {readonly missing: true};
    if ('missing' in value) this.#isMissing = true;
    else this.#failed.push(value);
    return false;
  }
}

const noNetworkWords =
  /Unable to locate package|Failed to fetch|Temporary failure|resolve host|Network is unreachable|has no installation candidate|Could not find package/i;

/** `Package[nginx] of Web (site.pp:3)`. */
function titleOf({resource, containment, file, line}: FailedResource): string {
  const around = containment.at(-2);
  const of = around === undefined || around === 'Main' || around.startsWith('Stage[') ? '' : ` of ${around}`;
  return `${resource}${of}${file === null ? '' : ` (${inProject(file)}:${String(line ?? 1)})`}`;
}

/** What Puppet says of it, without the place, which is told already. The last line is often that of the program it ran. */
function reasonLines({messages}: FailedResource): readonly string[] {
  const lines = messages.flatMap((message) => message.replace(/ \(file: [^)]*\)$/, '').split('\n'));
  return lines.filter((line) => line.trim() !== '').map(inProject);
}

/** The last resource of a path; titles may hold slashes. */
function nameOf(path: string): string {
  return /\/(?<name>[A-Z][\w:]*\[(?:(?!\/[A-Z][\w:]*\[).)*\])$/.exec(path)?.groups?.['name'] ?? path;
}

function inProject(text: string): string {
  return text.replaceAll(`${projectPlace}/`, '');
}

function withoutColour(line: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  return line.replaceAll(/\u001B\[[0-9;]*m/g, '');
}
