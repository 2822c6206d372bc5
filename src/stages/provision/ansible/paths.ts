/** A path that a text may mean. */
export interface PossiblePath {
  /** Without what stands for the playbook's or the role's folder. It may hold templates (`{{ x }}`) and wildcards. */
  readonly path: string;
  readonly kind: 'path' | 'template' | 'pattern';
  /** Whether a folder may be meant, with all that is in it. */
  readonly mayBeFolder: boolean;
  /** Whether it may be one of several of which the first is taken that is there. */
  readonly isOptional: boolean;
}

/**
 * The paths that a text of a play, of tasks or of variables may mean: the text itself, a word of it (`src=a dest=b`,
 * `script: a.sh --all`), or what stands in quotes in one of its expressions (`{{ lookup('file', 'a') }}`).
 */
export function pathsIn(text: string, key: string): readonly PossiblePath[] {
  const quoted = [...text.matchAll(expression)].flatMap(([inside]) =>
    [...inside.matchAll(literal)].flatMap(({groups}) => groups?.['text'] ?? []),
  );
  const named = /(?:^|\s)(?:src|file)=(?<path>\S+)/.exec(text)?.groups?.['path'];
  const word = commandKeys.has(key) ? text.trim().split(/\s+/)[0] : undefined;
  return [
    ...possible(named ?? word ?? text, {
      isFile: fileKeys.has(key),
      mayBeFolder: folderKeys.has(key),
      isPattern: key === 'with_fileglob',
      isOptional: optionalKeys.has(key),
    }),
    ...quoted.flatMap((one) =>
      possible(ownFolder.test(text) ? one.replace(/^\/+/, '') : one, {
        isFile: true,
        mayBeFolder: one.endsWith('/') || text.includes('filetree'),
        isPattern: text.includes('fileglob'),
        isOptional: text.includes('first_found'),
      }),
    ),
  ];
}

function possible(
  text: string,
  may: {
    readonly isFile: boolean;
    readonly mayBeFolder: boolean;
    readonly isPattern: boolean;
    readonly isOptional: boolean;
  },
): readonly PossiblePath[] {
  const path = text.replace(/\{\{\s*(playbook_dir|role_path)\s*\}\}\/*/, '');
  if (path.length > 400 || path.includes('\n') || path.startsWith('/') || !/\w/.test(path)) return [];
  const {isFile, mayBeFolder, isPattern, isOptional} = may;
  if (path.includes('{{')) return isFile ? [{path, kind: 'template', mayBeFolder, isOptional}] : [];
  if (/[*?[]/.test(path)) return isPattern ? [{path, kind: 'pattern', mayBeFolder, isOptional}] : [];
  return [{path, kind: 'path', mayBeFolder, isOptional}];
}

const expression = /\{\{[\s\S]*?\}\}/g;
const literal = /(?<quote>['"])(?<text>[^'"\n]+)\k<quote>/g;
const ownFolder = /\b(playbook_dir|role_path)\b/;

/** Keys below which a text is the path of a file of the controller's. */
const fileKeys: ReadonlySet<string> = new Set([
  ...['include_tasks', 'import_tasks', 'include_vars', 'vars_files', 'file', 'src', 'script', 'dir'],
  ...['with_file', 'with_fileglob', 'with_filetree', 'with_first_found', 'with_template', 'files', 'paths'],
]);
const folderKeys: ReadonlySet<string> = new Set(['src', 'dir', 'paths', 'with_filetree']);
/** Keys below which a path has arguments behind it. */
const commandKeys: ReadonlySet<string> = new Set(['script', 'cmd']);
const optionalKeys: ReadonlySet<string> = new Set(['vars_files', 'with_first_found', 'files']);
