import {sizeBytes} from './fields.ts';
import type {Reporter} from './report.ts';
import {child, entriesAt, isText, type Tree, textAt, treeAt} from './tree.ts';

/** What a type of target refuses of the image itself; what it refuses of its own options says its schema. */
interface Refusal {
  readonly path: readonly [string, string];
  readonly isRefused: (value: Tree) => boolean;
  readonly message: string;
  readonly hint: string;
}

const gibibyte = 2 ** 30;

const refusals: Readonly<Record<string, readonly Refusal[]>> = {
  azure: [
    {
      path: ['storage', 'swap'],
      isRefused: () => true,
      message: 'Azure wants no swap on the disk that a machine starts from',
      hint: 'Remove storage.swap, or give the image for Azure a storage of its own; cloud-init can swap to the resource disk',
    },
    {
      path: ['storage', 'size'],
      isRefused: (value) => isText(value) && sizeBytes(value.value) > 1023 * gibibyte,
      message: 'Azure starts from no disk of more than 1023 GiB',
      hint: 'Write at most 1023GiB, in storage.size or in the size of the target',
    },
  ],
};

/** Whether an image can be made for its targets. Passes over what the schemas have refused. */
export function checkTargets(body: Tree, report: Reporter): void {
  for (const [name, {value}] of entriesAt(body, 'targets')) {
    const type = textAt(value, 'type')?.value ?? name;
    for (const {path, isRefused, message, hint} of refusals[type] ?? []) {
      const found = treeAt(body, path);
      const hasOwnSize = path[1] === 'size' && child(value, 'size') !== undefined;
      if (found !== undefined && !hasOwnSize && isRefused(found)) report.at(found.site, {message, hint});
    }
  }
}
