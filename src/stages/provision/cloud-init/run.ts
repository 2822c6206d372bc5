import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {applyChanges} from '../../changes.ts';
import type {StepRunner} from '../step.ts';
import type {CloudInitOptions} from './schema.ts';
import {userDataKind} from './user-data.ts';

/**
 * `provision: [{cloud-init: …}]`. Configuration goes to /etc/cloud/cloud.cfg.d, scripts to the folder of those that
 * run once in every instance: cloud-init reads both whichever datasource it finds, and what the cloud itself hands an
 * instance as user data has the last word (cloud-init's documentation, "Configuration priority").
 */
export const runCloudInit: StepRunner = async ({stage, options, run}) => {
  const {file, inline} = options as CloudInitOptions;
  const text = inline ?? readFileSync(join(stage.projectDir, file ?? ''), 'utf8');
  const isConfig = userDataKind(text) === 'config';
  // Later steps have higher numbers; fgimage's own files end at 92.
  const number = (/provision-(?<number>\d+)/.exec(stage.node.id)?.groups?.['number'] ?? '0').padStart(2, '0');
  const path = isConfig
    ? `/etc/cloud/cloud.cfg.d/95-fgimage-${number}.cfg`
    : `/var/lib/cloud/scripts/per-instance/95-fgimage-${number}`;
  const written = await applyChanges(stage, [
    {do: 'file', path, owner: 'root:root', permissions: isConfig ? '0644' : '0755', content: {text}},
  ]);
  if (!written.ok || !isConfig) return written;
  return run({
    command: ['/bin/sh', '-c', check, 'sh', path],
    shown: ['cloud-init', 'schema', '--config-file', path],
    hint: `Mend ${file ?? 'the user data'} as cloud-init says it`,
  });
};

/** cloud-init may come with a target only: then the syntax was checked, and its own schema is not at hand. */
const check = `
if command -v cloud-init > /dev/null; then exec cloud-init schema --config-file "$1"; fi
echo "fgimage: the image has no cloud-init yet, so that its schema was not asked"
`;
