/**
 * Order of Debian version numbers, as deb-version(7) tells it: epoch, then upstream version, then Debian revision.
 * Negative where `a` is older, positive where it is newer, 0 where both are the same version (`1.0` and `0:1.0-0`).
 */
export function compareVersions(a: string, b: string): number {
  const left = splitVersion(a);
  const right = splitVersion(b);
  return (
    compareNumbers(left.epoch, right.epoch) ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  );
}

interface VersionParts {
  readonly epoch: string;
  readonly upstream: string;
  readonly revision: string;
}

/** The epoch ends at the first colon, the revision begins after the last hyphen. */
function splitVersion(version: string): VersionParts {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const hyphen = rest.lastIndexOf('-');
  return {
    epoch: colon === -1 ? '' : version.slice(0, colon),
    upstream: hyphen === -1 ? rest : rest.slice(0, hyphen),
    revision: hyphen === -1 ? '' : rest.slice(hyphen + 1),
  };
}

/** Stretches without digits and stretches of digits take turns, from the left. */
function compareParts(a: string, b: string): number {
  let [left, right] = [a, b];
  while (left !== '' || right !== '') {
    const words = [leading(left, /^\D*/), leading(right, /^\D*/)] as const;
    const byWord = compareWords(...words);
    if (byWord !== 0) return byWord;
    [left, right] = [left.slice(words[0].length), right.slice(words[1].length)];
    const numbers = [leading(left, /^\d*/), leading(right, /^\d*/)] as const;
    const byNumber = compareNumbers(...numbers);
    if (byNumber !== 0) return byNumber;
    [left, right] = [left.slice(numbers[0].length), right.slice(numbers[1].length)];
  }
  return 0;
}

function leading(text: string, pattern: RegExp): string {
  return pattern.exec(text)?.[0] ?? '';
}

/** `~` sorts before the end, the end before letters, letters before everything else. */
function compareWords(a: string, b: string): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = weight(a[index]) - weight(b[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function weight(character: string | undefined): number {
  if (character === '~') return -1;
  if (character === undefined) return 0;
  return character.charCodeAt(0) + (/[A-Za-z]/.test(character) ? 0 : 256);
}

/** Compares as text, since a number may have more digits than a JavaScript number holds; an empty one is 0. */
function compareNumbers(a: string, b: string): number {
  const left = a.replace(/^0+/, '');
  const right = b.replace(/^0+/, '');
  if (left.length !== right.length) return left.length - right.length;
  return left === right ? 0 : left < right ? -1 : 1;
}
