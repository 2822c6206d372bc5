/** A command of `rerun.sh`. */
export interface Words {
  /** Lines that check what it needs. */
  readonly needs: readonly string[];
  /** Where it starts. */
  readonly folder: string;
  /** The command, each word quoted for the shell. */
  readonly words: readonly string[];
  /** What is said before. */
  readonly says?: string;
}

export interface RerunScriptOptions {
  readonly stage: string;
  readonly kept: string;
  readonly cache: string;
  /** What a rerun starts from, one line. */
  readonly note: string;
  readonly rerun: Words;
  readonly shell: Words | undefined;
}

/** The text of `rerun.sh`. Its own refusals exit with 125, as env(1) and timeout(1) do. */
export function rerunScript({stage, kept, cache, note, rerun, shell}: RerunScriptOptions): string {
  return `#!/bin/sh
# README: the work of a stage of fgimage, kept by --keep-work: ${stage}
#
#   rerun.sh          runs its last command again: same arguments, mounts and environment, same exit code
#   rerun.sh shell    opens a shell in the tree as that command left it
#   rerun.sh remove   removes this folder
#
# What the stage had written is in object/tree.
# ${note}
set -eu
umask 022
kept=${quote(kept)}
cache=${quote(cache)}

refuse() {
  printf 'rerun.sh: %s\\n' "$1" >&2
  exit 125
}
need() {
  [ -e "$1" ] || refuse "$1 is not there any more: run the build again"
}
fresh() {
  rm -rf "$kept/rerun"
  mkdir -p "$kept/rerun/upper" "$kept/rerun/work" "$kept/merged"
}

[ -d "$kept" ] || refuse "it works only in $kept"
if [ "$(id -u)" != 0 ]; then
  exec unshare --user --map-root-user --map-auto -- /bin/sh "$0" "$@"
fi
[ -O "$kept" ] || refuse "$kept is of another user's build"

case \${1-} in
'')
${body(rerun, ' < /dev/null')}
  ;;
shell)
${shell === undefined ? '  refuse "this stage has no tree to open a shell in"' : body(shell)}
  ;;
remove)
  cd /
  rm -rf "$kept"
  ;;
*)
  refuse "there is no $1: give no word, shell or remove"
  ;;
esac
`;
}

/** The text of `command.sh`. */
export function commandScript(command: readonly string[]): string {
  return `#!/bin/sh\nexec ${wrapped(command.map(quote), '  ')}\n`;
}

/** A line that refuses when a path, quoted for the shell, is not there. */
export function need(path: string): string {
  return `need ${path}`;
}

/** A line that refuses where the variable that a secret is taken from is not set. */
export function needVariable(variable: string, secret: string): string {
  return `[ -n "\${${variable}+set}" ] || refuse "set ${variable}, the secret ${secret} of this step, and export it"`;
}

/** A word for /bin/sh that stands for itself. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function body({needs, folder, words, says}: Words, input = ''): string {
  const lines = [
    ...needs,
    'fresh',
    `cd ${quote(folder)}`,
    ...(says === undefined ? [] : [`printf '%s\\n' ${quote(says)} >&2`]),
    `exec ${wrapped(words, '    ')}${input}`,
  ];
  return lines.map((line) => `  ${line}`).join('\n');
}

/** Words in lines of a readable length. */
function wrapped(words: readonly string[], indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && line.length + word.length > lineLength) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line].join(` \\\n${indent}`);
}

const lineLength = 100;
