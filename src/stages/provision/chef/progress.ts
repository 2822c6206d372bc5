import {jsonObject, texts} from './project-files.ts';

/** What report.rb tells. */
export type ChefEvent =
  | {readonly event: 'no-client'}
  | {readonly event: 'other-version'; readonly version: string}
  | {readonly event: 'run'; readonly version: string}
  | {readonly event: 'converge'; readonly resources: number}
  | ({readonly event: 'start'} & Resource)
  | ({readonly event: 'failed'; readonly ignored: boolean} & Resource & Reason)
  | {readonly event: 'done'}
  | {readonly event: 'complete'}
  | {readonly event: 'has-packages'; readonly packages: readonly string[]}
  | ({readonly event: 'run-failed'} & Reason);

export interface Resource {
  /** e.g. `package[nginx]`. */
  readonly resource: string;
  readonly action: string;
  readonly cookbook: string;
  readonly recipe: string;
  /** `file:line:in …`, empty for a resource that no file declares. */
  readonly place: string;
}

export interface Reason {
  /** The class of the exception. */
  readonly error: string;
  readonly message: string;
  /** Lines of cookbooks, the nearest first. */
  readonly trace: readonly string[];
}

const mark = 'fgimage-chef ';

/** The event in a line of the client's output, its texts cleaned; undefined where it has none. */
export function chefEvent(
  line: string,
  clean: (text: string) => string = (text) => text,
): ChefEvent | undefined {
  const at = line.indexOf(mark);
  const data = at === -1 ? undefined : jsonObject(line.slice(at + mark.length));
  if (data === undefined) return undefined;
  const text = (name: string): string => {
    const value = data[name];
    return typeof value === 'string' ? clean(value) : '';
  };
  const resource = {
    resource: text('resource'),
    action: text('action'),
    cookbook: text('cookbook'),
    recipe: text('recipe'),
    place: text('place'),
  };
  const reason = {error: text('error'), message: text('message'), trace: texts(data['trace']).map(clean)};
  const {event} = data;
  switch (event) {
    case 'no-client':
    case 'done':
    case 'complete':
      return {event};
    case 'has-packages':
      return {event, packages: texts(data['packages'])};
    case 'other-version':
    case 'run':
      return {event, version: text('version')};
    case 'converge':
      return {event, resources: Number(data['resources'])};
    case 'start':
      return {event, ...resource};
    case 'failed':
      return {event, ignored: data['ignored'] === true, ...resource, ...reason};
    case 'run-failed':
      return {event, ...reason};
    default:
      return undefined;
  }
}

/** Why a run ended, as far as the client told. */
export type ChefEnd =
  | {readonly kind: 'no-client'}
  | {readonly kind: 'other-version'; readonly version: string}
  /** A recipe asked for a reboot; `early`: before the others had their turn. */
  | {readonly kind: 'reboot'; readonly early: boolean}
  | {readonly kind: 'resource'; readonly failed: Resource & Reason}
  /** `began`: whether any resource was run, though none failed. */
  | {readonly kind: 'run'; readonly began: boolean; readonly reason: Reason};

/** Follows a run by its events. */
export class ChefProgress {
  readonly #told: (message: string, fraction?: number) => void;
  /** For each resource that is being run, the outermost first: how many failures there were before it. */
  readonly #running: number[] = [];
  readonly #failures: (Resource & Reason)[] = [];
  /** Takes out of a text, which may be cut off, what nobody is to see. */
  readonly #clean: (text: string) => string;
  readonly #packages = new Set<string>();
  #total = 0;
  #done = 0;
  #isComplete = false;
  #end: ChefEnd | undefined;

  constructor(
    told: (message: string, fraction?: number) => void,
    clean: (text: string) => string = (text) => text,
  ) {
    this.#told = told;
    this.#clean = clean;
  }

  /** Takes a line of output; false where it is an event, and for nobody's eyes. */
  line(text: string): boolean {
    const event = chefEvent(text, this.#clean);
    if (event === undefined) return true;
    this.#take(event);
    return !text.startsWith(mark);
  }

  /** Packages that resources asked for and found to be there, without their architecture. */
  get packages(): readonly string[] {
    return [...this.#packages];
  }

  /** Why the run failed; a resource's failure says more than the run's, and the innermost resource's most. */
  get end(): ChefEnd | undefined {
    const [failed] = this.#failures;
    if (this.#end?.kind === 'run' && failed !== undefined) return {kind: 'resource', failed};
    return this.#end;
  }

  #take(event: ChefEvent): void {
    switch (event.event) {
      case 'no-client':
        this.#end = {kind: 'no-client'};
        break;
      case 'other-version':
        this.#end = {kind: 'other-version', version: event.version};
        break;
      case 'run':
        this.#told(`Chef ${event.version}`);
        break;
      case 'converge':
        this.#total = event.resources;
        break;
      case 'start':
        this.#start(event);
        break;
      case 'failed':
        // A failure that is ignored takes along those of the resources inside that led to it.
        if (event.ignored) this.#failures.length = Math.min(this.#failures.length, this.#running.at(-1) ?? 0);
        else this.#failures.push(event);
        break;
      case 'done':
        this.#running.pop();
        if (this.#running.length === 0) this.#done += 1;
        break;
      case 'has-packages':
        for (const name of event.packages) this.#packages.add(name.replace(/:.*$/, ''));
        break;
      case 'complete':
        this.#isComplete = true;
        break;
      case 'run-failed':
        this.#end = this.#endOf(event);
        break;
    }
  }

  #endOf(reason: Reason): ChefEnd {
    if (reason.error === 'Chef::Exceptions::Reboot') return {kind: 'reboot', early: !this.#isComplete};
    return {kind: 'run', began: this.#done > 0, reason};
  }

  #start({cookbook, recipe, resource, action}: Resource): void {
    this.#running.push(this.#failures.length);
    const where = cookbook === '' ? '' : `${cookbook}::${recipe}: `;
    const fraction = this.#total > 0 ? Math.min(1, this.#done / this.#total) : undefined;
    this.#told(`${where}${resource} (${action})`, fraction);
  }
}
