import {rubyTokens, type Token} from './ruby-tokens.ts';

/** A value that stands in a Ruby file as it is. */
export type Literal = string | readonly Literal[] | ReadonlyMap<string, Literal>;

/** A call with nothing but literals, e.g. `run_list 'role[base]', %w(recipe[a] recipe[b])`. */
export interface Call {
  readonly method: string;
  /** Undefined where it is given something that only running the file would tell. */
  readonly given: readonly Literal[] | undefined;
}

/** The calls of the named methods, in their order, wherever they stand in the file. */
export function rubyCalls(source: string, methods: readonly string[]): readonly Call[] {
  const tokens = rubyTokens(source);
  return tokens.flatMap((token, index) =>
    token.type === 'word' && methods.includes(token.value)
      ? [{method: token.value, given: new Arguments(tokens, index + 1).read()}]
      : [],
  );
}

/** The words of a file that are no literals, keys or comments: methods, constants, keywords. */
export function rubyWords(source: string): ReadonlySet<string> {
  return new Set(
    rubyTokens(source).flatMap((token) =>
      token.type === 'word' ? [token.value] : token.type === 'odd' ? [''] : [],
    ),
  );
}

/** Reads what a call is given, from the token behind its name. */
class Arguments {
  readonly #tokens: readonly Token[];
  #at: number;

  constructor(tokens: readonly Token[], at: number) {
    this.#tokens = tokens;
    this.#at = at;
  }

  read(): readonly Literal[] | undefined {
    const inParentheses = this.#take('(');
    const given = this.#values(inParentheses ? ')' : undefined);
    if (given === undefined) return undefined;
    const next = this.#tokens[this.#at];
    return next === undefined || next.type === 'end' ? given : undefined;
  }

  /** Values with commas between them, up to a closing mark or the end of the line. */
  #values(close: string | undefined): readonly Literal[] | undefined {
    const values: Literal[] = [];
    const pairs = new Map<string, Literal>();
    const all = (): readonly Literal[] => (pairs.size === 0 ? values : [...values, pairs]);
    for (;;) {
      if (close !== undefined) this.#skipLines();
      if (close !== undefined && this.#take(close)) return all();
      const label = this.#label();
      const value = this.#value();
      if (value === undefined) return undefined;
      if (label !== undefined) pairs.set(label, value);
      else if (typeof value === 'string' && this.#take('=>')) {
        const behind = this.#value();
        if (behind === undefined) return undefined;
        pairs.set(value, behind);
      } else values.push(value);
      if (close !== undefined) this.#skipLines();
      if (this.#take(',')) {
        this.#skipLines();
        continue;
      }
      if (close === undefined) return all();
      return this.#take(close) ? all() : undefined;
    }
  }

  #label(): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.type !== 'label') return undefined;
    this.#at += 1;
    return token.value;
  }

  #value(): Literal | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined) return undefined;
    this.#at += 1;
    if (token.type === 'text') return token.value;
    if (token.type === 'list') return token.values;
    if (token.type === 'word' && ['true', 'false', 'nil'].includes(token.value)) return token.value;
    if (token.type !== 'mark') return undefined;
    if (token.value === '[') return this.#values(']');
    if (token.value !== '{') return undefined;
    const inside = this.#values('}');
    const [pairs] = inside ?? [];
    if (inside?.length === 0) return new Map();
    return inside?.length === 1 && pairs instanceof Map ? pairs : undefined;
  }

  #skipLines(): void {
    while (this.#tokens[this.#at]?.type === 'end') this.#at += 1;
  }

  #take(mark: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.type !== 'mark' || token.value !== mark) return false;
    this.#at += 1;
    return true;
  }
}
