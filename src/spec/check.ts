import {checkBase} from './base.ts';
import {checkArchitecture} from './check-architecture.ts';
import {checkPackageManager} from './check-packages.ts';
import {checkStep} from './check-step.ts';
import {checkStorage} from './check-storage.ts';
import {diagnosticAt, quote} from './diagnostic.ts';
import {everyDistribution, releaseWords} from './distributions.ts';
import type {ImageTree} from './images.ts';
import {nearest} from './nearest.ts';
import {unitName} from './normalise.ts';
import type {Reporter} from './report.ts';
import {positionOf} from './source.ts';
import {readTemplate} from './template.ts';
import {child, entriesAt, isText, itemsAt, type ScalarTree, type Tree, textAt, treeAt} from './tree.ts';

/**
 * What a schema cannot say: whether the values of one image fit each other. The checks look at trees that may be
 * wrong in other ways and pass over what the schema has refused, so that both kinds of errors come at once.
 */
export function checkImage({body}: ImageTree, report: Reporter): void {
  checkOs(body, report);
  checkBase(body, report);
  checkRepeated(itemsAt(body, 'repositories'), {key: 'name', what: 'repository', report});
  checkRepeated(itemsAt(body, 'users'), {key: 'name', what: 'user', report});
  checkRepeated(itemsAt(body, 'users'), {key: 'uid', what: 'user with uid', report});
  checkRepeated(itemsAt(body, 'groups'), {key: 'gid', what: 'group with gid', report});
  checkGroups(itemsAt(body, 'groups'), report);
  for (const user of itemsAt(body, 'users')) checkUser(user, report);
  checkFiles(itemsAt(body, 'write_files'), report);
  checkPackages(body, report);
  checkPackageManager(body, report);
  checkServices(body, report);
  checkAddresses(body, report);
  for (const step of itemsAt(body, 'provision')) checkStep(step, body, report);
  for (const test of itemsAt(body, 'tests')) checkTest(test, report);
  checkTimezone(body, report);
  checkStorage(body, report);
  checkArchitecture(body, report);
}

function checkOs(body: Tree, report: Reporter): void {
  const os = treeAt(body, ['os']);
  if (os === undefined) {
    report.at(body.site, {
      message: 'The image has no `os`',
      hint: 'Write `os: {distribution: debian, release: bookworm}`',
    });
    return;
  }
  if (os.kind !== 'map') return;
  const distribution = textAt(os, 'distribution');
  const known = everyDistribution().find((name) => name === distribution?.value);
  const hasReleases = known === undefined || readTemplate(known).any_release === undefined;
  for (const [key, example] of [
    ['distribution', 'debian'],
    ['release', exampleRelease(known)],
  ] as const) {
    if (!os.entries.has(key) && (key !== 'release' || hasReleases))
      report.at(os.site, {message: `os has no \`${key}\``, hint: `Write \`${key}: ${example}\``});
  }
  const release = textAt(os, 'release');
  if (known === undefined || release === undefined) return;
  if (!hasReleases) {
    report.at(release.site, {
      message: `os has a \`release\`, and none is known of ${known === 'other' ? 'other distributions' : known}`,
      hint: 'Remove `release`',
    });
    return;
  }
  const words = releaseWords(known);
  // What no distribution has was reported with the shape.
  if (words.includes(release.value) || !releaseWords().includes(release.value)) return;
  const near = nearest(release.value, words);
  report.at(release.site, {
    message: `${quote(release.value)} is no release of ${known}`,
    hint: near === undefined ? `Write one of ${words.join(', ')}` : `Write \`${near}\``,
  });
}

function exampleRelease(distribution: string | undefined): string {
  const words = releaseWords(distribution);
  const word = words.includes('bookworm') ? 'bookworm' : (words.at(-1) ?? '');
  return /^[a-z]/.test(word) ? word : quote(word);
}

interface Repeated {
  readonly key: string;
  readonly what: string;
  readonly report: Reporter;
}

function checkRepeated(items: readonly Tree[], {key, what, report}: Repeated): void {
  const values = items.flatMap((item) => {
    const value = child(item, key) ?? (key === 'name' && isText(item) ? item : undefined);
    return value?.kind === 'scalar' && value.value !== null ? [value] : [];
  });
  reportRepeated(values, what, report);
}

function reportRepeated(values: readonly ScalarTree[], what: string, report: Reporter): void {
  const first = new Map<string, ScalarTree>();
  for (const value of values) {
    const name = String(value.value);
    const before = first.get(name);
    if (before === undefined) {
      first.set(name, value);
      continue;
    }
    report.at(value.site, {
      message: `There are two ${what.replace(/^(\w+)/, plural)} ${quote(name)}, the first ${place(before, value)}`,
      hint: 'Rename one, or put them together',
    });
  }
}

function plural(word: string): string {
  return word.endsWith('y') ? `${word.slice(0, -1)}ies` : `${word}s`;
}

function place(first: Tree, second: Tree): string {
  const {file, line} = positionOf(first.site);
  return first.site.source === second.site.source ? `in line ${line}` : `at ${file}:${line}`;
}

function checkGroups(groups: readonly Tree[], report: Reporter): void {
  const names: ScalarTree[] = [];
  for (const group of groups) {
    if (isText(group)) names.push(group);
    const name = textAt(group, 'name');
    if (name !== undefined) names.push(name);
    if (group.kind !== 'map' || name !== undefined) continue;
    for (const [key, {keySite}] of group.entries)
      names.push({kind: 'scalar', value: key, written: key, site: keySite});
    if (group.entries.size !== 1) {
      report.at(group.site, {
        message: 'One entry names several groups, or none',
        hint: 'Begin each group with `- `',
      });
    }
  }
  reportRepeated(names, 'group', report);
}

function checkUser(user: Tree, report: Reporter): void {
  const lock = child(user, 'lock_passwd');
  if (lock?.kind !== 'scalar' || lock.value !== false || child(user, 'hashed_passwd') !== undefined) return;
  report.at(lock.site, {
    message: 'lock_passwd is false and there is no hashed_passwd: anyone could log in without a password',
    hint: 'Write `hashed_passwd`, or remove lock_passwd',
  });
}

function checkFiles(files: readonly Tree[], report: Reporter): void {
  const replacing = files.filter((file) => {
    const append = child(file, 'append');
    return append?.kind !== 'scalar' || append.value !== true;
  });
  reportRepeated(
    replacing.flatMap((file) => textAt(file, 'path') ?? []),
    'file',
    report,
  );
  for (const file of files) checkContent(file, report);
}

function checkContent(file: Tree, report: Reporter): void {
  if (file.kind !== 'map') return;
  const content = file.entries.get('content');
  const source = file.entries.get('source');
  const encoding = file.entries.get('encoding');
  if (content !== undefined && source !== undefined) {
    report.at(source.keySite, {
      message: 'The file has both `content` and `source`',
      hint: 'Remove one of them',
    });
  }
  if (content === undefined && source === undefined) {
    report.at(file.site, {
      message: 'The file has neither `content` nor `source`',
      hint: 'Write `content: …`',
    });
  }
  if (content === undefined && encoding !== undefined) {
    report.at(encoding.keySite, {
      message: '`encoding` is that of `content`',
      hint: 'Remove it: `source` is copied as it is',
    });
  }
  const wanted = encoding?.value;
  if (wanted === undefined || !isText(wanted) || !['b64', 'base64'].includes(wanted.value)) return;
  if (content === undefined || !isText(content.value) || isBase64(content.value.value)) return;
  report.at(content.value.site, {
    message: 'content is not base64',
    hint: 'Make it with `base64 -w0 FILE`, or remove `encoding`',
  });
}

function isBase64(text: string): boolean {
  const plain = text.replaceAll(/\s/g, '');
  return plain.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(plain);
}

function checkPackages(body: Tree, report: Reporter): void {
  const versions = new Map<string, string | undefined>();
  const wanted = new Map<string, ScalarTree>();
  for (const item of itemsAt(body, 'packages')) {
    const name = isText(item) ? item : textAt(item, 'name');
    if (name === undefined) continue;
    const version = textAt(item, 'version');
    const before = versions.get(name.value);
    if (version !== undefined && before !== undefined && before !== version.value) {
      report.at(version.site, {
        message: `${name.value} is wanted in version ${before} as well as ${version.value}`,
        hint: 'Keep one of them',
      });
    }
    versions.set(name.value, before ?? version?.value);
    wanted.set(name.value, wanted.get(name.value) ?? name);
  }
  for (const item of itemsAt(body, 'remove_packages')) {
    const before = isText(item) ? wanted.get(item.value) : undefined;
    if (before === undefined || !isText(item)) continue;
    report.at(item.site, {
      message: `${item.value} is in packages as well, ${place(before, item)}`,
      hint: 'Remove it from one of the two lists',
    });
  }
}

function checkServices(body: Tree, report: Reporter): void {
  const enabled = new Map(
    itemsAt(body, 'services', 'enable').flatMap((one) => (isText(one) ? [[unitName(one.value), one]] : [])),
  );
  for (const list of ['disable', 'mask']) {
    for (const item of itemsAt(body, 'services', list)) {
      const before = isText(item) ? enabled.get(unitName(item.value)) : undefined;
      if (before === undefined || !isText(item)) continue;
      report.at(item.site, {
        message: `${item.value} is in services.enable as well, ${place(before, item)}`,
        hint: 'Remove it from one of the two lists',
      });
    }
  }
}

/** Passwords in addresses would end in the image and in logs. */
function checkAddresses(body: Tree, report: Reporter): void {
  const repositories = itemsAt(body, 'repositories').flatMap((one) => textAt(one, 'uri') ?? []);
  for (const address of [textAt(body, 'os', 'mirror'), ...repositories]) {
    if (address === undefined || !/^[a-z]+:\/\/[^/]*@/.test(address.value)) continue;
    const message = 'The address holds a user or a password, which the image would show to everyone';
    report.at(
      address.site,
      {message, hint: 'Put it into an apt_auth.conf(5) of the host, and the bare address here'},
      {secret: true},
    );
  }
}

function checkTest(test: Tree, report: Reporter): void {
  const exists = child(test, 'exists');
  if (exists?.kind !== 'scalar' || exists.value !== false) return;
  const more = entriesAt(test).find(([key]) => ['contains', 'owner', 'permissions'].includes(key));
  if (more === undefined) return;
  const message = `A file that must not exist cannot have \`${more[0]}\``;
  report.at(more[1].keySite, {message, hint: `Remove \`${more[0]}\`, or \`exists: false\``});
}

/** A warning only: Debian may know zones that this Node does not. */
function checkTimezone(body: Tree, report: Reporter): void {
  const zone = textAt(body, 'timezone');
  if (zone === undefined || !/^[\w+/-]+$/.test(zone.value) || isZone(zone.value)) return;
  const text = {
    message: `The time zone ${quote(zone.value)} is not known`,
    hint: 'See `timedatectl list-timezones`',
  };
  report.add([diagnosticAt(positionOf(zone.site), text, {severity: 'warning'})]);
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', {timeZone: name});
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
