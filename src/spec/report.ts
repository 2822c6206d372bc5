import {type Diagnostic, type DiagnosticOptions, diagnosticAt} from './diagnostic.ts';
import {positionOf, type Site} from './source.ts';

/** Gathers diagnostics while a spec is read, so that all errors are reported at once. */
export class Reporter {
  readonly #found: Diagnostic[] = [];

  /** Whether anything so far is an error. */
  get failed(): boolean {
    return this.#found.some(({severity}) => severity === 'error');
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.#found;
  }

  at(site: Site, text: {readonly message: string; readonly hint: string}, options?: DiagnosticOptions): void {
    this.#found.push(diagnosticAt(positionOf(site), text, options));
  }

  add(diagnostics: Iterable<Diagnostic>): void {
    this.#found.push(...diagnostics);
  }
}
