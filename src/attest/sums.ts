import {fail, ok, type Result} from '../result.ts';

export interface Sum {
  readonly path: string;
  readonly sha256: string;
}

/** The text of a SHA256SUMS file, sorted by path: what `sha256sum --binary` prints and `sha256sum --check` reads. */
export function sumsText(sums: readonly Sum[]): string {
  return sums
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
    .map(({path, sha256}) => {
      const escaped = path.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
      return `${escaped === path ? '' : '\\'}${sha256} *${escaped}\n`;
    })
    .join('');
}

/** Reads such a file; paths that lead out of its folder are a mistake. */
export function readSums(text: string): Result<readonly Sum[], string> {
  const sums = new Map<string, Sum>();
  for (const [index, line] of text.replace(/\n$/, '').split('\n').entries()) {
    const match = /^(\\?)([0-9a-f]{64}) [ *](.+)$/.exec(line);
    if (match === null) return fail(`line ${index + 1} is no digest and name`);
    const [, escaped, sha256 = '', name = ''] = match;
    const path = escaped === '\\' ? name.replaceAll(/\\([\\nr])/g, plain) : name;
    const isInside = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
    if (!isInside || path.includes('\0')) return fail(`line ${index + 1} names a file of another folder`);
    if (sums.has(path)) return fail(`line ${index + 1} names a file once more`);
    sums.set(path, {path, sha256});
  }
  return ok([...sums.values()]);
}

function plain(_: string, character: string): string {
  return {n: '\n', r: '\r'}[character] ?? '\\';
}
