import type {Image, JsonObject} from '../../src/spec/image.ts';
import {readTemplate} from '../../src/spec/template.ts';
import {nothingToAdapt, type OciPackPlan, type Target} from '../contract.ts';

/** `oci`: a container image, as a layout on disk. README.md says what is in it. */
export const target: Target = {
  name: 'oci',
  version: 1,
  adapt: () => nothingToAdapt,
  pack,
  boot: () => [],
  usualName: '{image}-{digest}',
  registrar: async () => (await import('./register.ts')).openRegistrar,
};

/** What a Debian image has where its spec says nothing. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function pack({os}: Image, options: JsonObject): OciPackPlan {
  const {compression, entrypoint, cmd, env, user, working_dir: folder, labels} = options;
  if (compression !== 'zstd' && compression !== 'gzip')
    throw new Error(`Unchecked option compression: ${JSON.stringify(compression)}`);
  const variables = {PATH: path, ...(env as Readonly<Record<string, string>> | undefined)};
  return {
    kind: 'oci',
    compression: {algorithm: compression},
    config: {
      Env: Object.entries(variables).map(([name, value]) => `${name}=${value}`),
      ...(entrypoint === undefined ? {} : {Entrypoint: entrypoint}),
      Cmd: cmd ?? (entrypoint === undefined ? [readTemplate(os.distribution).shell ?? '/bin/bash'] : []),
      ...(user === undefined ? {} : {User: user}),
      ...(folder === undefined ? {} : {WorkingDir: folder}),
      ...(labels === undefined ? {} : {Labels: labels}),
    },
  };
}
