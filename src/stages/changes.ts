import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from '../package-root.ts';
import type {Result} from '../result.ts';
import type {StageFailure} from '../run/events.ts';
import {hasDebs} from './rpm-tree.ts';
import type {StageContext} from './stage.ts';
import {mountPoint, runInTree, scratchFile} from './tree.ts';

/** A change to an image's tree, done inside it by `scripts/apply.pl`. */
export type Change =
  | {
      readonly do: 'file';
      readonly path: string;
      readonly owner: string;
      readonly permissions: string;
      readonly content: FileContent;
      readonly append?: boolean;
    }
  | {readonly do: 'dir'; readonly path: string; readonly owner: string; readonly permissions: string}
  | {readonly do: 'symlink'; readonly path: string; readonly target: string}
  /** groupadd(8) or, where the group is there, groupmod(8) with these options. */
  | {readonly do: 'group'; readonly name: string; readonly options: readonly string[]}
  /** useradd(8) with both lists or, where the user is there, usermod(8) with the second. */
  | {
      readonly do: 'user';
      readonly name: string;
      readonly whenNew: readonly string[];
      readonly always: readonly string[];
    }
  | {readonly do: 'authorized-keys'; readonly user: string; readonly keys: readonly string[]}
  | {readonly do: 'run'; readonly command: readonly string[]}
  /** Files by glob patterns; absent ones are no error. */
  | {readonly do: 'remove'; readonly patterns: readonly string[]};

export type FileContent = {readonly text: string} | {readonly bytes: Buffer} | {readonly projectFile: string};

/** Applies changes in order to the stage's tree; the first that fails ends the stage. */
export function applyChanges(
  context: StageContext,
  changes: readonly Change[],
): Promise<Result<void, StageFailure>> {
  const payload = join(context.work, 'payload');
  mkdirSync(payload, {recursive: true});
  let files = 0;
  const store = (content: string | Buffer): string => {
    files += 1;
    const name = String(files);
    writeFileSync(join(payload, name), content);
    return name;
  };
  const records = changes.map((change) => fieldsOf(change, store));
  const list = scratchFile(
    context,
    'changes',
    records.map((fields) => `${fields.map(asField).join('\0')}\0\0`).join(''),
  );
  const folder = '/run/fgimage';
  const script = join(packageRoot, 'src/stages/scripts/apply.pl');
  const words = [`${folder}/changes`, `${folder}/payload`, `${folder}/project`] as const;
  // Every Debian has a perl; other trees are entered by the host's.
  const isHosts = !hasDebs(context.node);
  return runInTree(context, {
    ...(isHosts ? {inside: 'host', enters: true} : {}),
    command: isHosts
      ? ['perl', script, ...words, mountPoint(context)]
      : ['perl', `${folder}/apply.pl`, ...words],
    writable: true,
    binds: [
      {source: script, path: `${folder}/apply.pl`, kind: 'file', mode: 'ro'},
      {source: list, path: `${folder}/changes`, kind: 'file', mode: 'ro'},
      {source: payload, path: `${folder}/payload`, kind: 'dir', mode: 'ro'},
      {source: context.projectDir, path: `${folder}/project`, kind: 'dir', mode: 'ro'},
    ],
  });
}

function fieldsOf(change: Change, store: (content: string | Buffer) => string): readonly string[] {
  switch (change.do) {
    case 'file': {
      const {content} = change;
      const from =
        'projectFile' in content
          ? ['project', content.projectFile]
          : ['payload', store('text' in content ? content.text : content.bytes)];
      return [
        'file',
        change.path,
        change.owner,
        change.permissions,
        ...from,
        change.append === true ? '1' : '',
      ];
    }
    case 'dir':
      return ['dir', change.path, change.owner, change.permissions];
    case 'symlink':
      return ['symlink', change.path, change.target];
    case 'group':
      return ['group', change.name, ...change.options];
    case 'user':
      return ['user', change.name, ...change.whenNew, '--', ...change.always];
    case 'authorized-keys':
      return ['authorized-keys', change.user, store(`${change.keys.join('\n')}\n`)];
    case 'run':
      return ['run', ...change.command];
    case 'remove':
      return ['remove', ...change.patterns];
  }
}

/** An empty field would end the record; `-` stands for it. */
function asField(field: string): string {
  if (field.includes('\0')) throw new Error('A change holds a NUL byte');
  return field === '' ? '-' : field;
}
