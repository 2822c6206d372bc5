import {quote} from './diagnostic.ts';
import {architectureWords, everyDistribution, releaseWords} from './distributions.ts';
import {nearest} from './nearest.ts';
import {kindNames} from './provision-kinds.ts';
import {stepKeys} from './provision-step.ts';
import type {Reporter} from './report.ts';
import {child, entriesAt, isText, itemsAt, type ScalarTree, type Tree, textAt} from './tree.ts';

/** What a schema cannot say of a step of `provision`, but for its kind's own value; `body` is the image's section. */
export function checkStep(step: Tree, body: Tree, report: Reporter): void {
  if (step.kind !== 'map') return;
  checkKinds(step, report);
  checkWhen(step, body, report);
  checkSecrets(itemsAt(step, 'secrets'), report);
  checkCaches(itemsAt(step, 'caches'), report);
}

function checkKinds(step: Extract<Tree, {kind: 'map'}>, report: Reporter): void {
  const keys = [...step.entries.keys()];
  const kinds = keys.filter((key) => kindNames.has(key));
  // A key that is unknown was reported with the shape; it may be the one that is missing here.
  const isTold = kinds.length === 0 && keys.some((key) => !stepKeys.has(key));
  if (kinds.length === 1 || isTold) return;
  const none = step.entries.size === 0 ? 'The step is empty' : 'The step says nothing that is to be run';
  const message = kinds.length === 0 ? none : 'One step has several kinds';
  report.at(step.site, {message, hint: 'Begin each step with `- `: `- shell: …`'});
}

function checkWhen(step: Tree, body: Tree, report: Reporter): void {
  const when = child(step, 'when');
  if (when === undefined) return;
  const wanted = words(when, 'distribution').map(({value}) => value);
  const known = wanted.filter((name) => everyDistribution().includes(name));
  const targets = entriesAt(body, 'targets').flatMap(([name, {value}]) => [
    name,
    textAt(value, 'type')?.value ?? name,
  ]);
  const of = known.length === 0 ? '' : ` of ${known.join(' or ')}`;
  const releases = known.length === 0 ? releaseWords() : known.flatMap((name) => releaseWords(name));
  const allowed: Readonly<Record<string, {readonly are: string; readonly list: readonly string[]}>> = {
    distribution: {are: 'no distribution that there is a template of', list: everyDistribution()},
    release: {are: `no release${of}`, list: releases},
    architecture: {are: 'no architecture', list: architectureWords},
    target: {are: 'neither a target of this image nor the type of one', list: [...new Set(targets)]},
  };
  for (const [key, {are, list}] of Object.entries(allowed)) {
    for (const word of words(when, key)) {
      if (list.includes(word.value)) continue;
      const near = nearest(word.value, list);
      const some = list.length === 0 ? 'Remove the condition' : `Write one of ${list.join(', ')}`;
      report.at(word.site, {
        message: `${quote(word.value)} is ${are}`,
        hint: near === undefined ? some : `Write \`${near}\``,
      });
    }
  }
}

/** One word, or a list of them. */
function words(when: Tree, key: string): readonly (ScalarTree & {readonly value: string})[] {
  const found = child(when, key);
  return (found?.kind === 'list' ? found.items : found === undefined ? [] : [found]).filter(isText);
}

function checkSecrets(secrets: readonly Tree[], report: Reporter): void {
  const names = new Set<string>();
  for (const secret of secrets) {
    const name = textAt(secret, 'name');
    if (name !== undefined && names.has(name.value))
      report.at(name.site, {message: `The step has two secrets ${quote(name.value)}`, hint: 'Rename one'});
    names.add(name?.value ?? '');
    if (secret.kind !== 'map') continue;
    const sources = ['file', 'env'].filter((key) => secret.entries.has(key));
    if (sources.length === 1) continue;
    report.at(secret.site, {
      message:
        sources.length === 0
          ? 'The secret has neither `file` nor `env`'
          : 'The secret has both `file` and `env`',
      hint:
        sources.length === 0
          ? 'Write `file: …`, or `env: …` for a variable of fgimage: a value never stands in a spec'
          : 'Remove one of them',
    });
  }
}

/** Folders that are new for every step, or another thing than files. */
const noCaches = ['/proc', '/sys', '/dev', '/run', '/tmp', '/var/tmp'];

function checkCaches(caches: readonly Tree[], report: Reporter): void {
  const before: string[] = [];
  for (const cache of caches.filter(isText)) {
    const path = cache.value.replace(/\/+$/, '');
    const system = noCaches.find((folder) => isInside(path, folder));
    const other = before.find((one) => isInside(path, one) || isInside(one, path));
    if (system !== undefined)
      report.at(cache.site, {
        message: `Nothing persists in ${system}: every step has its own`,
        hint: 'Name another folder, e.g. one in /var/cache',
      });
    else if (other !== undefined)
      report.at(cache.site, {
        message: `${path} and ${other} are one inside the other`,
        hint: 'Keep the outer one',
      });
    before.push(path);
  }
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
