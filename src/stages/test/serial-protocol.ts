/**
 * What the host and guest/run-checks.sh say to each other.
 *
 * Host to guest, a file (the plan): one line a check, `<id> <kind> <word>...`. A word is plain (`yes`, `0016`) or `b:`
 * and base64 of UTF-8 text. Guest to host, the second serial port: `FG1 hello`, then one line a check
 * `FG1 saw <id> <key>=<base64>...`, then `FG1 end`. A line that is not whole is no line: its check has no result.
 */

export type GuestMessage =
  | {readonly kind: 'hello'}
  | {readonly kind: 'saw'; readonly id: number; readonly facts: Facts}
  | {readonly kind: 'end'};

/** What the guest saw for one check, by name; absent names read as empty text. */
export type Facts = ReadonlyMap<string, string>;

/** One word of a plan line that carries text of a spec. */
export function textWord(text: string): string {
  return `b:${Buffer.from(text, 'utf8').toString('base64')}`;
}

export interface PlanLine {
  readonly kind: string;
  readonly words: readonly string[];
}

export interface PlanLimits {
  /** Uptime in seconds until which the guest waits for systemd. */
  readonly limitSeconds: number;
  /** How long it waits for a port, a service or the network to come. */
  readonly patienceSeconds: number;
}

/** The plan file; the id of a check is its index in `lines`. */
export function planText(lines: readonly PlanLine[], {limitSeconds, patienceSeconds}: PlanLimits): string {
  const checks = lines.map(({kind, words}, index) => [String(index), kind, ...words].join(' '));
  return `${[`- limit ${limitSeconds}`, `- patience ${patienceSeconds}`, ...checks].join('\n')}\n`;
}

/** One line of the second serial port; undefined when it is not one of ours or is damaged. */
export function parseGuestLine(line: string): GuestMessage | undefined {
  const [mark, word, id, ...pairs] = line.trim().split(' ');
  if (mark !== 'FG1') return undefined;
  if (word === 'hello' || word === 'end') return id === undefined ? {kind: word} : undefined;
  if (word !== 'saw' || id === undefined || !/^\d{1,6}$/.test(id)) return undefined;
  const facts = new Map<string, string>();
  for (const pair of pairs) {
    const match = /^(?<key>[a-z_]+)=(?<value>[A-Za-z0-9+/]*={0,2})$/.exec(pair);
    const {key, value} = match?.groups ?? {};
    if (key === undefined || value === undefined || value.length % 4 !== 0) return undefined;
    facts.set(key, Buffer.from(value, 'base64').toString('utf8'));
  }
  return {kind: 'saw', id: Number(id), facts};
}

/** Cuts a stream of bytes into lines; the unfinished rest is kept for the next piece. */
export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** Text after the last newline: a prompt, or a line still being written. */
  get rest(): string {
    return this.#rest;
  }

  push(chunk: Uint8Array): readonly string[] {
    const pieces = (this.#rest + this.#decoder.decode(chunk, {stream: true})).split('\n');
    // A guest that never ends its line must not fill the host's memory.
    this.#rest = (pieces.pop() ?? '').slice(-1_000_000);
    return pieces.map((piece) => piece.replace(/\r+$/, ''));
  }
}
