import {join} from 'node:path';
import {scratchFile} from '../../tree.ts';
import type {StepRunner} from '../step.ts';
import type {ShellOptions} from './schema.ts';

/** `provision: [{shell: …}]`: a script inside the image, by its `#!` line or by /bin/sh. */
export const runShell: StepRunner = ({stage, options, run}) => {
  const {file, inline} = options as ShellOptions;
  const source =
    file === undefined ? scratchFile(stage, 'script', inline ?? '') : join(stage.projectDir, file);
  const script = '/run/fgimage/provision/script';
  stage.progress(file ?? 'inline script');
  return run({
    // A script without `#!`, or without the execute bit, is no error: sh reads it.
    command: [
      '/bin/sh',
      '-c',
      'cp "$1" /tmp/provision && chmod 755 /tmp/provision && cd / && IFS= read -r first < /tmp/provision; case $first in "#!"*) exec /tmp/provision;; *) exec /bin/sh -e /tmp/provision;; esac',
      'sh',
      script,
    ],
    binds: [{source, path: script, kind: 'file', mode: 'ro'}],
  });
};
