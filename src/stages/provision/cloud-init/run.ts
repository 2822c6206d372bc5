import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fail} from '../../../result.ts';
import {applyChanges} from '../../changes.ts';
import {scratchFile} from '../../tree.ts';
import type {StepRunner} from '../step.ts';
import {StepLayer} from '../step-layer.ts';
import type {CloudInitOptions} from './schema.ts';
import {schemaErrors, schemaText, userDataKind} from './user-data.ts';

/**
 * `provision: [{cloud-init: …}]`. Configuration goes to /etc/cloud/cloud.cfg.d, scripts to the folder of those that
 * run once in every instance: cloud-init reads both whichever datasource it finds, and what the cloud itself hands an
 * instance as user data has the last word (cloud-init's documentation, "Configuration priority").
 */
export const runCloudInit: StepRunner = async ({stage, options, run}) => {
  const {file, inline} = options as CloudInitOptions;
  const text = inline ?? readFileSync(join(stage.projectDir, file ?? ''), 'utf8');
  const isConfig = userDataKind(text) === 'config';
  const tree = new StepLayer(stage);
  const path = freePath(isConfig ? 'config' : 'script', (one) => tree.below(one.slice(1)) !== undefined);
  const written = await applyChanges(stage, [
    {do: 'file', path, owner: 'root:root', permissions: isConfig ? '0644' : '0755', content: {text}},
  ]);
  if (!written.ok) return written;
  if (!programs.some((program) => tree.below(program) !== undefined))
    stage.warn(
      'The image has no cloud-init so far: only a target that brings it applies the user data, and its schema was not asked',
      'Name `cloud-init` in `packages`, or give the step `when: {target: …}`',
    );
  const checked = isConfig ? schemaText(text) : text;
  if (checked === undefined) return written;
  const place = '/run/fgimage/provision/user-data';
  const errors: string[] = [];
  const placed = file === undefined ? 'line ' : `${file}:`;
  const done = await run({
    command: ['/bin/sh', '-c', isConfig ? checkConfig : checkScript, 'sh', place],
    shown: isConfig ? ['cloud-init', 'schema', '--config-file', path] : ['sh', '-n', path],
    binds: [{source: scratchFile(stage, 'user-data', checked), path: place, kind: 'file', mode: 'ro'}],
    onLine: (line) => {
      errors.push(...schemaErrors(line, checked).map((error) => `${placed}${error}`));
      if (!line.includes(place)) return true;
      stage.log.write(line.replaceAll(place, file ?? 'user data'));
      return false;
    },
    hint: `Mend ${file ?? 'the user data'} as ${isConfig ? 'cloud-init' : 'the shell'} says it`,
  });
  const [first, ...others] = errors;
  if (done.ok || first === undefined) return done;
  return fail({
    reason: 'refused',
    message: `cloud-init refuses the configuration: ${first}`,
    hint: "Mend it as cloud-init's module reference has it",
    details: [...others, `log: fgimage logs ${stage.node.id}`],
  });
};

/**
 * Where user data goes. What is read later has a higher number, also over images that stand on each other; fgimage's own
 * files end at 92.
 */
export function freePath(kind: 'config' | 'script', isTaken: (path: string) => boolean): string {
  for (let number = 1; ; number += 1) {
    const name = `95-fgimage-${String(number).padStart(2, '0')}`;
    const path =
      kind === 'config'
        ? `/etc/cloud/cloud.cfg.d/${name}.cfg`
        : `/var/lib/cloud/scripts/per-instance/${name}`;
    if (!isTaken(path)) return path;
  }
}

const programs = ['usr/bin/cloud-init', 'bin/cloud-init'];

/** cloud-init may come with a target only; before 22.2 its schema was one of the words for developers. */
const checkConfig = `
command -v cloud-init > /dev/null || exit 0
if cloud-init schema --help > /dev/null 2>&1; then exec cloud-init schema --config-file "$1"; fi
exec cloud-init devel schema --config-file "$1"
`;

/** What is no shell's script is not looked into. */
const checkScript = `
IFS= read -r first < "$1"
case $first in
  *bash*) shell=bash ;;
  */sh | */sh\\ * | *\\ sh | *dash*) shell=sh ;;
  *) exit 0 ;;
esac
command -v "$shell" > /dev/null || exit 0
exec "$shell" -n "$1"
`;
