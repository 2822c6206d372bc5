import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../../src/package-root.ts';

/** Packs the stand-in client as Chef's own packages are laid out, and gives the SHA-256 of the .deb. */
export function clientPackage(folder: string, name: 'chef' | 'cinc', file: string): string {
  const tree = join(folder, `tree-${name}`);
  const opt = join(tree, 'opt', name);
  const source = join(packageRoot, 'test/integration/chef-stand-in');
  for (const path of ['DEBIAN', `opt/${name}/bin`, `opt/${name}/lib/chef/event_dispatch`])
    mkdirSync(join(tree, path), {recursive: true});
  copyFileSync(join(source, 'version.rb'), join(opt, 'lib/chef/version.rb'));
  copyFileSync(join(source, 'base.rb'), join(opt, 'lib/chef/event_dispatch/base.rb'));
  const program = join(opt, 'bin', `${name}-client`);
  copyFileSync(join(source, 'chef-client.rb'), program);
  chmodSync(program, 0o755);
  const control = [
    `Package: ${name}`,
    'Version: 99.1.4-1',
    'Architecture: all',
    'Maintainer: A test <test@example.org>',
    `Description: stand-in for ${name}-client`,
    '',
  ];
  writeFileSync(join(tree, 'DEBIAN/control'), control.join('\n'));
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, join(folder, file)], {
    stdio: 'pipe',
    env: {...process.env, SOURCE_DATE_EPOCH: '1700000000'},
  });
  return createHash('sha256')
    .update(readFileSync(join(folder, file)))
    .digest('hex');
}
