import {distributions} from './distributions.ts';
import type {Reporter} from './report.ts';
import type {DistributionTemplate} from './template.ts';
import {child, isText, itemsAt, type Tree, textAt, treeAt} from './tree.ts';

/**
 * What an image cannot have whose distribution is only had as an imported base: another root, and whatever installs
 * packages. Its targets are checked with those of others (check-packages.ts).
 */
export function checkImportedOnly(body: Tree, template: DistributionTemplate, report: Reporter): void {
  checkRoot(body, report);
  const {title, package_manager: manager} = template;
  const refuse: Refuse = (found, message, hint) => {
    if (found !== undefined) report.at(found.site, {message, hint});
  };
  const none = `fgimage installs no packages of ${title}`;
  const who = manager === 'apk' ? `${title} has its own apk for that` : none;
  for (const key of ['signed_by', 'snapshot', 'snapshots'])
    refuse(
      treeAt(body, ['os', key]),
      `\`${key}\` is for packages that fgimage fetches, and ${who}`,
      'Remove it',
    );
  refuse(
    itemsAt(body, 'repositories')[0],
    `\`repositories\` are for packages that fgimage fetches, and ${who}`,
    manager === 'apk'
      ? 'Have them and their keys in the import, in /etc/apk, or name a mirror in `os`'
      : `${elsewhere}, and remove \`repositories\``,
  );
  const kernel = textAt(body, 'kernel', 'package');
  if (kernel?.value !== 'none')
    refuse(kernel, `No kernel of ${title} is known`, 'Write `package: none`, or remove it');
  const locale = textAt(body, 'locale');
  if (locale !== undefined && !/^(?:C|POSIX)(?:\.|$)/.test(locale.value))
    refuse(
      locale,
      `Nothing is known of locales of ${title}`,
      'Set it by a step of `provision`, or remove it',
    );
  for (const step of itemsAt(body, 'provision')) checkStep(step, {none, refuse});
  if (manager === 'none') checkNoPackages(body, {none, refuse});
}

type Refuse = (found: Tree | undefined, message: string, hint: string) => void;
interface Refusing {
  /** Why nothing is installed. */
  readonly none: string;
  readonly refuse: Refuse;
}

/** What only a step needs is not taken out again where apt has not put it there. */
function checkStep(step: Tree, {none, refuse}: Refusing): void {
  refuse(
    treeAt(step, ['shell', 'packages']),
    `The step wants packages for itself, and ${none} for a step`,
    elsewhere,
  );
  for (const key of ['package', 'deb'])
    refuse(
      treeAt(step, ['chef', key]),
      `This client is a package, and ${none} for a step`,
      'Write `installed: true`, where the import has one',
    );
  refuse(
    child(step, 'puppet'),
    `Puppet comes in packages, and ${none} for a step`,
    'Run the one that is in the import by `shell`',
  );
}

function checkNoPackages(body: Tree, {none, refuse}: Refusing): void {
  refuse(treeAt(body, ['os', 'mirror']), `\`mirror\` is for packages, and ${none}`, 'Remove it');
  for (const key of ['packages', 'remove_packages'])
    refuse(itemsAt(body, key)[0], `\`${key}\` is refused: ${none}`, `${elsewhere}, and remove \`${key}\``);
  for (const user of itemsAt(body, 'users')) {
    const sudo = child(user, 'sudo');
    if (sudo?.kind === 'list' || (sudo !== undefined && isText(sudo)))
      refuse(
        sudo,
        `\`sudo\` needs a package, and ${none}`,
        'Write its rules by `write_files`, where the import has sudo',
      );
  }
}

const elsewhere =
  'Import a root that has them, or install them by a step of `provision` with `network: true`';

function checkRoot(body: Tree, report: Reporter): void {
  const distribution = textAt(body, 'os', 'distribution');
  // An image that is built on another has the base of that.
  if (
    distribution === undefined ||
    treeAt(body, ['base']) !== undefined ||
    textAt(body, 'from') !== undefined
  )
    return;
  report.at(distribution.site, {
    message: `fgimage makes no root of ${distribution.value === 'other' ? 'a distribution that it does not know' : distribution.value}`,
    hint: `Write \`base: {import: …}\` with a root of it, or one of ${distributions().join(', ')}`,
  });
}
