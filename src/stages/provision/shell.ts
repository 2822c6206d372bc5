import {join} from 'node:path';
import {fail, ok} from '../../result.ts';
import type {ShellProvisioner} from '../../spec/image.ts';
import type {StageRunner} from '../stage.ts';
import {runInTree, scratchFile} from '../tree.ts';

/** `provision: [{shell: …}]`: a script inside the image, by its `#!` line or by /bin/sh, without network. */
export const runShell: StageRunner = async (context) => {
  const {file, inline} = context.node.params['provisioner'] as unknown as ShellProvisioner;
  const source =
    file === undefined ? scratchFile(context, 'script', inline ?? '') : join(context.projectDir, file);
  const script = '/run/fgimage/provision/script';
  context.progress(file ?? 'inline script');
  const done = await runInTree(context, {
    // A script without `#!`, or without the execute bit, is no error: sh reads it.
    command: [
      '/bin/sh',
      '-c',
      'cp "$1" /tmp/provision && chmod 755 /tmp/provision && cd / && IFS= read -r first < /tmp/provision; case $first in "#!"*) exec /tmp/provision;; *) exec /bin/sh -e /tmp/provision;; esac',
      'sh',
      script,
    ],
    writable: true,
    binds: [{source, path: script, kind: 'file', mode: 'ro'}],
  });
  return done.ok ? ok({result: {}}) : fail({failure: done.error});
};
