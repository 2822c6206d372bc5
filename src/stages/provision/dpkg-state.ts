/** Names of the packages that a dpkg status file has as installed (dpkg-query(1), `Status`), in their order. */
export function installedNames(status: string): ReadonlySet<string> {
  return new Set(
    stanzas(status).flatMap((stanza) =>
      /^Status: \S+ \S+ installed$/m.test(stanza) ? (nameOf(stanza) ?? []) : [],
    ),
  );
}

/** What `namesIn` finds in the second text only. */
export function newNames(
  before: string,
  after: string,
  namesIn: (text: string) => ReadonlySet<string>,
): readonly string[] {
  const known = namesIn(before);
  return [...namesIn(after)].filter((name) => !known.has(name));
}

/** Names of the packages that apt's extended_states has as installed automatically (apt-mark(8)). */
export function extendedStates(text: string): ReadonlySet<string> {
  return new Set(
    stanzas(text).flatMap((stanza) => (/^Auto-Installed: 1$/m.test(stanza) ? (nameOf(stanza) ?? []) : [])),
  );
}

/** Which of the packages that came for a step are nobody else's: marked as they were, and not found by it as wanted. */
export function onlyForStep(
  added: readonly string[],
  {states, wanted}: {readonly states: string; readonly wanted: ReadonlySet<string>},
): readonly string[] {
  const marked = extendedStates(states);
  return added.filter((name) => marked.has(name) && !wanted.has(name));
}

/** extended_states in which packages of a status file are installed automatically, beside what it says already. */
export function autoInstalled(states: string, status: string, names: readonly string[]): string {
  const wanted = new Set(names);
  const others = stanzas(states).filter((stanza) => !wanted.has(nameOf(stanza) ?? ''));
  const added = stanzas(status).flatMap((stanza) => {
    const name = nameOf(stanza) ?? '';
    if (!wanted.has(name)) return [];
    const architecture = /^Architecture: (?<word>\S+)$/m.exec(stanza)?.groups?.['word'] ?? '';
    return [`Package: ${name}\nArchitecture: ${architecture}\nAuto-Installed: 1`];
  });
  return joined([...others, ...added]);
}

/** extended_states without some packages. */
export function withoutNames(states: string, names: ReadonlySet<string>): string {
  return joined(stanzas(states).filter((stanza) => !names.has(nameOf(stanza) ?? '')));
}

/** deb-control(5): paragraphs apart by empty lines. */
function stanzas(text: string): readonly string[] {
  return text
    .split(/\n{2,}/)
    .map((stanza) => stanza.trimEnd())
    .filter((stanza) => stanza !== '');
}

function joined(paragraphs: readonly string[]): string {
  return paragraphs.map((paragraph) => `${paragraph}\n\n`).join('');
}

function nameOf(stanza: string): string | undefined {
  return /^Package: (?<name>\S+)$/m.exec(stanza)?.groups?.['name'];
}
