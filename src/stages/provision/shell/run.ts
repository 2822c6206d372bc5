import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fail} from '../../../result.ts';
import type {StageFailure} from '../../../run/events.ts';
import {scratchFile} from '../../tree.ts';
import type {StepRunner} from '../step.ts';
import type {ShellOptions} from './schema.ts';

const copy = '/tmp/provision';

/** `provision: [{shell: …}]`: a script inside the image, by its interpreter, its `#!` line or by /bin/sh. */
export const runShell: StepRunner = async ({stage, options, run}) => {
  const {file, inline, args = [], env = {}, interpreter = [], folder = '/'} = options as ShellOptions;
  const source =
    file === undefined ? scratchFile(stage, 'script', inline ?? '') : join(stage.projectDir, file);
  const script = '/run/fgimage/provision/script';
  const runBy = interpreter.length === 0 ? [''] : [...interpreter, copy];
  stage.progress(file ?? 'inline script');
  const done = await run({
    command: ['/bin/sh', '-c', start, 'sh', script, folder, ...runBy, ...args],
    shown: [...interpreter, file ?? 'the inline script', ...args],
    binds: [{source, path: script, kind: 'file', mode: 'ro'}],
    env,
  });
  return done.ok ? done : fail(withInterpreter(done.error, readFileSync(source, 'utf8')));
};

/** Of a script whose interpreter is missing, sh says that the script itself is not found. */
export function withInterpreter(failure: StageFailure, script: string): StageFailure {
  if (failure.reason !== 'command-failed' || failure.exitCode !== 127) return failure;
  if (!failure.lastLines.some((line) => line.endsWith(`${copy}: not found`))) return failure;
  const [, program = ''] = /^#!\s*(\S+)/.exec(script) ?? [];
  return {
    ...failure,
    hint: `The image has no ${program}, which the first line of the script names: add its package to \`packages\``,
  };
}

/**
 * Gets the script, a folder, the words that run the script (or an empty one), its arguments. A script without `#!`, or
 * without the execute bit, is no error: sh reads it. It is copied, since a file that is bound may not be executable.
 */
const start = `
cp "$1" ${copy} && chmod 755 ${copy} && cd "$2" || exit
shift 2
[ -z "$1" ] || exec "$@"
shift
IFS= read -r first < ${copy}
case $first in
  "#!"*) exec ${copy} "$@" ;;
  *) exec /bin/sh -e ${copy} "$@" ;;
esac
`;
