import type {Facts, PlanLine} from './serial-protocol.ts';

/** One check of a boot test: what the guest is asked for, and what the host makes of the answer. */
export interface Check {
  readonly name: string;
  readonly request: PlanLine;
  judge(facts: Facts): Verdict;
}

export interface Verdict {
  readonly passed: boolean;
  readonly detail?: string;
}

export const passed: Verdict = {passed: true};

export function failed(detail: string): Verdict {
  return {passed: false, detail};
}

/** The verdict of a list of complaints: passed when there is none. */
export function verdict(complaints: readonly (string | undefined)[]): Verdict {
  const real = complaints.filter((complaint) => complaint !== undefined);
  return real.length === 0 ? passed : failed(real.join('; '));
}

export function fact(facts: Facts, name: string): string {
  return facts.get(name) ?? '';
}

/** Text for one line of a report: what a guest wrote, without control characters and not too long. */
export function brief(text: string, limit = 200): string {
  const line = text.trim().replaceAll(/[\p{C}\s]+/gu, ' ');
  return line.length <= limit ? line : `${line.slice(0, limit)}…`;
}
