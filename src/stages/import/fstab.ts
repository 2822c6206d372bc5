/** A line of fstab(5). */
export interface MountLine {
  readonly source: string;
  readonly path: string;
  readonly type: string;
}

/** Reads fstab(5); those mounted first come first, whatever order they stand in. */
export function parseFstab(text: string): readonly MountLine[] {
  const lines = text.split('\n').flatMap((line): MountLine[] => {
    const [source = '', path = '', type = ''] = line.trim().split(/\s+/).map(unescaped);
    return source === '' || source.startsWith('#') || type === '' ? [] : [{source, path, type}];
  });
  return lines.toSorted((a, b) => a.path.length - b.path.length);
}

function unescaped(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
