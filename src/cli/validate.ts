import {existsSync} from 'node:fs';
import {type ExitCode, exitCode} from '../errors.ts';
import {cacheFolder} from '../host/cache-folder.ts';
import {HostTools} from '../run/tools.ts';
import type {ChosenProfiles} from '../spec/profiles.ts';
import {openStore, planSpec} from './session.ts';
import {readSpec, SpecError} from './spec.ts';

/** `fgimage validate`: every error of a spec at once, without network; package names where lists are in the cache. */
export async function runValidate({
  file,
  profiles,
  cacheDir,
  color,
}: {
  file: string;
  profiles?: ChosenProfiles;
  cacheDir: string | undefined;
  color: boolean;
}): Promise<ExitCode> {
  const spec = await readSpec(file, {color, profiles});
  for (const warning of spec.warnings) process.stderr.write(`${warning}\n`);
  const checked = await checkPackages();
  const images = spec.images.map(
    (image) => `${image.name} (${image.targets.map(({name}) => name).join(', ') || 'no target'})`,
  );
  process.stdout.write(`${file} is valid: ${images.join('; ')}\n`);
  if (!checked)
    process.stdout.write(
      'Package names were not checked: no package lists are in the cache yet; a build reads them\n',
    );
  return exitCode.done;

  async function checkPackages(): Promise<boolean> {
    const cache = cacheFolder(cacheDir);
    if (!existsSync(cache)) return false;
    const store = openStore(cache);
    try {
      const {checkPackageNames} = await import('./package-check.ts');
      const {peekGraph} = await import('../run/peek.ts');
      const plan = await planSpec(spec, {store, test: false, images: [], targets: []});
      const archives = plan.nodes.filter(({kind}) => kind === 'archive');
      const peeked = await peekGraph({
        nodes: archives,
        store,
        tools: new HostTools(store),
        readCache: true,
        force: () => false,
        trusts: () => false,
        wanted: () => false,
        signal: new AbortController().signal,
      });
      const paths = new Map(
        [...peeked].flatMap(([id, one]) =>
          one.state === 'hit' && one.known.content === 'local'
            ? [[id, store.treePath(one.known.action.digest)] as const]
            : [],
        ),
      );
      const errors = checkPackageNames({plan, spec, pathOf: (id) => paths.get(id), color});
      if (errors.length > 0) throw new SpecError(errors.join('\n\n'));
      return archives.every(({id}) => paths.has(id));
    } finally {
      store.close();
    }
  }
}
