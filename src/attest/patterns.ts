/**
 * Whether a text matches a pattern list of ssh_config(5): patterns parted by commas, `*` for any characters, `?` for
 * one, `!` before those that must not match.
 */
export function matchesList(text: string, list: string): boolean {
  let found = false;
  for (const pattern of list.split(',')) {
    if (pattern.startsWith('!')) {
      if (matches(text, pattern.slice(1))) return false;
    } else found ||= matches(text, pattern);
  }
  return found;
}

/** Goes back to the last `*` only, so that no pattern takes longer than its length times the text's. */
function matches(text: string, pattern: string): boolean {
  let at = 0;
  let next = 0;
  let star = -1;
  let from = 0;
  while (at < text.length) {
    if (pattern[next] === '*') {
      star = next;
      from = at;
      next += 1;
    } else if (next < pattern.length && (pattern[next] === '?' || pattern[next] === text[at])) {
      at += 1;
      next += 1;
    } else if (star !== -1) {
      next = star + 1;
      from += 1;
      at = from;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(next));
}
