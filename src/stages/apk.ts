import {fail, ok, type Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import type {AptRequest, Installed} from './apt.ts';
import {hostProxies} from './host-command.ts';
import {hostFile} from './provision/step-apt.ts';
import {StepLayer} from './provision/step-layer.ts';
import type {StageContext} from './stage.ts';
import {runInTree, scratchFile} from './tree.ts';

const offline: StageFailure = {
  reason: 'refused',
  message: 'The apk of the image fetches packages by itself, and the network is off limits',
  hint: 'Build it once without --offline, so that the cache has what it gives',
};

/**
 * Installs and removes packages by the image's own apk, which resolves, fetches and verifies by itself, with the keys that
 * the image has in /etc/apk/keys (apk(8)): so the stage has a network, and may give something else each time.
 */
export async function installApks(
  context: StageContext,
  {install, remove}: Pick<AptRequest, 'install' | 'remove'>,
): Promise<Result<Installed, StageFailure>> {
  if (context.offline) return fail(offline);
  const {repositories = []} = context.node.params as {readonly repositories?: readonly string[]};
  const layer = new StepLayer(context);
  layer.add('etc/resolv.conf', hostFile('/etc/resolv.conf'));
  const source = scratchFile(context, 'repositories', repositories.map((uri) => `${uri}\n`).join(''));
  const path = '/run/fgimage/repositories';
  const from = repositories.length === 0 ? [] : ['--repositories-file', path];
  const commands = [
    ['add', ...install],
    ['del', ...remove],
  ].filter(({length}) => length > 1);
  for (const words of commands) {
    context.progress(words[0] === 'add' ? 'Installing packages' : 'Removing packages');
    const done = await runInTree(context, {
      command: [program, '--no-cache', '--no-progress', ...from, ...words],
      writable: true,
      network: true,
      above: [layer.folder],
      binds: [{source, path, kind: 'file', mode: 'ro'}],
      env: hostProxies(),
      hint: 'The import has to have apk, the keys of its repositories, and reach these: /etc/apk/repositories, or os.mirror',
    });
    if (!done.ok) return done;
  }
  layer.clean();
  layer.drop(['lib/apk/db/lock', 'var/log/apk.log']);
  return ok({known: false});
}

const program = '/sbin/apk';
