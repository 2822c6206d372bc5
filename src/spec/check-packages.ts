import {targetSchemas} from '../../targets/schemas.ts';
import {checkImportedOnly} from './check-imported.ts';
import {quote} from './diagnostic.ts';
import {everyDistribution} from './distributions.ts';
import {anyPackageName, anyVersion} from './package-words.ts';
import type {Reporter} from './report.ts';
import {dnfOf, isOnlyImported, readTemplate} from './template.ts';
import {child, entriesAt, isText, itemsAt, type ScalarTree, type Tree, textAt, treeAt} from './tree.ts';

/** What must be otherwise for images whose packages come from apt than for those of dnf. */
export function checkPackageManager(body: Tree, report: Reporter): void {
  const distribution = textAt(body, 'os', 'distribution')?.value;
  // An image that says of no distribution, or of none that there is, is told so elsewhere.
  const template =
    distribution === undefined || !everyDistribution().includes(distribution)
      ? undefined
      : readTemplate(distribution);
  if (template?.package_manager === 'dnf') {
    checkDnf(body, template.title, report);
    checkRpmSteps(body, {title: template.title, distribution: distribution ?? ''}, report);
    checkKnownTargets(body, {title: template.title, targets: dnfOf(template).targets}, report);
    checkLoader(body, template.title, report);
  } else if (template !== undefined && isOnlyImported(template)) {
    checkImportedOnly(body, template, report);
    checkKnownTargets(body, {title: template.title, targets: template.targets ?? []}, report);
  } else checkApt(body, report);
}

function packageNames(body: Tree): readonly (ScalarTree & {value: string})[] {
  const kernel = textAt(body, 'kernel', 'package');
  return [
    ...itemsAt(body, 'packages').flatMap((item) => (isText(item) ? item : (textAt(item, 'name') ?? []))),
    ...itemsAt(body, 'remove_packages').flatMap((item) => (isText(item) ? item : [])),
    ...(kernel === undefined ? [] : [kernel]),
  ];
}

/** Debian policy 5.6.1 and 5.6.12. */
const debianName = /^[a-z0-9][a-z0-9+.-]+$/;
const debianVersion = /^([0-9]+:)?[0-9][A-Za-z0-9.+~-]*$/;

function checkApt(body: Tree, report: Reporter): void {
  for (const name of packageNames(body)) {
    // What no package can be called was reported with the shape.
    if (!anyPackageName.test(name.value) || debianName.test(name.value)) continue;
    report.at(name.site, {
      message: `${quote(name.value)} is not the name of a Debian package`,
      hint: 'Use lower-case letters, digits, `+`, `-` and `.`; a version goes beside it: {name: …, version: "…"}',
    });
  }
  for (const item of itemsAt(body, 'packages')) {
    const version = isText(item) ? undefined : textAt(item, 'version');
    if (version === undefined || !anyVersion.test(version.value) || debianVersion.test(version.value))
      continue;
    report.at(version.site, {
      message: `${quote(version.value)} is not a Debian version`,
      hint: 'Write the whole version as `apt-cache policy` shows it, in quotes: "1.2.3-4"',
    });
  }
  for (const [index, repository] of itemsAt(body, 'repositories').entries()) {
    if (repository.kind !== 'map') continue;
    for (const key of ['components', 'suites']) {
      if (!repository.entries.has(key))
        report.at(repository.site, {
          message: `repositories[${String(index)}] has no \`${key}\``,
          hint: `Write \`${key}: …\``,
        });
    }
    const unsigned = repository.entries.get('unsigned_metadata');
    if (unsigned !== undefined)
      report.at(unsigned.keySite, {
        message: 'apt verifies packages by the metadata about them, which must be signed',
        hint: 'Remove `unsigned_metadata`',
      });
  }
}

function checkDnf(body: Tree, title: string, report: Reporter): void {
  const os = treeAt(body, ['os']);
  if (os?.kind === 'map' && !os.entries.has('mirror'))
    report.at(os.site, {
      message: `os has no \`mirror\`, and no repository of ${title} is known`,
      hint: 'Write `mirror: https://…`, the folder below which docs/reference/distributions.md names the repositories',
    });
  for (const key of ['snapshot', 'snapshots']) {
    const written = os?.kind === 'map' ? os.entries.get(key) : undefined;
    if (written !== undefined)
      report.at(written.keySite, {
        message: `\`${key}\` is for archives that apt reads, and ${title} has none`,
        hint: 'Remove it, and name the repositories of that day with `mirror`',
      });
  }
  for (const repository of itemsAt(body, 'repositories')) {
    for (const key of ['suites', 'components']) {
      const written = repository.kind === 'map' ? repository.entries.get(key) : undefined;
      if (written !== undefined && child(repository, key) !== undefined)
        report.at(written.keySite, {
          message: `A repository of rpm packages has no ${key}`,
          hint: `Remove \`${key}\`: \`uri\` is the folder that holds repodata`,
        });
    }
  }
}

/** A step's own packages: where rpm has them, they are not taken out again yet. */
function checkRpmSteps(
  body: Tree,
  {title, distribution}: {readonly title: string; readonly distribution: string},
  report: Reporter,
): void {
  for (const step of itemsAt(body, 'provision')) {
    if (isForOthers(step, distribution)) continue;
    const refuse = (path: readonly string[], hint: string): void => {
      const found = treeAt(step, path);
      if (found === undefined) return;
      const message = `What only a step needs cannot be taken out of an image of ${title} again yet`;
      report.at(found.site, {message, hint});
    };
    refuse(['shell', 'packages'], 'Name them under `packages` of the image');
    const isKept = (kind: string): boolean => {
      const kept = treeAt(step, [kind, 'keep_client']);
      return kept?.kind === 'scalar' && kept.value === true;
    };
    if (!isKept('chef')) refuse(['chef', 'package'], 'Write `keep_client: true` beside it');
    if (!isKept('puppet') && textAt(step, 'puppet', 'client')?.value !== 'image')
      refuse(['puppet'], 'Write `keep_client: true` in it');
    const deb = treeAt(step, ['chef', 'deb']);
    if (deb !== undefined)
      report.at(deb.site, {
        message: `A .deb is unpacked by dpkg, which images of ${title} do not have`,
        hint: 'Write `package: …` with `keep_client: true`, or `installed: true`',
      });
  }
}

function isForOthers(step: Tree, distribution: string): boolean {
  const when = treeAt(step, ['when', 'distribution']);
  const names = when?.kind === 'list' ? when.items : when === undefined ? [] : [when];
  return names.length > 0 && !names.some((name) => isText(name) && name.value === distribution);
}

/** Which targets know systems that are none of apt's. */
function checkKnownTargets(
  body: Tree,
  {title, targets}: {readonly title: string; readonly targets: readonly string[]},
  report: Reporter,
): void {
  const named = [
    ...itemsAt(body, 'targets').flatMap((item) =>
      isText(item) ? [{type: item.value, site: item.site}] : [],
    ),
    ...entriesAt(body, 'targets').map(([name, {value, keySite}]) => {
      const type = textAt(value, 'type');
      return {type: type?.value ?? name, site: type?.site ?? keySite};
    }),
  ];
  for (const {type, site} of named) {
    if (targets.includes(type) || !Object.hasOwn(targetSchemas, type)) continue;
    report.at(site, {
      message: `The target ${type} does not know ${title} yet`,
      hint: `Those that do are ${targets.join(', ')}`,
    });
  }
}

function checkLoader(body: Tree, title: string, report: Reporter): void {
  const loader = textAt(body, 'storage', 'loader');
  if (loader?.value === 'systemd-boot')
    report.at(loader.site, {message: `Images of ${title} are started by GRUB`, hint: 'Remove `loader`'});
}
