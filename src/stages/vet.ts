import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {documentNames, type Inventory} from '../inventory/inventory.ts';
import {packageRoot} from '../package-root.ts';
import type {RpmSystem} from '../plan/rpm-sources.ts';
import type {Expected} from '../plan/vet-node.ts';
import {fail, ok} from '../result.ts';
import {type Findings, findingsFile, severities} from '../vet/finding.ts';
import type {RpmFiles} from '../vet/packages.ts';
import type {VetRequest} from '../vet/vet-tree.ts';
import {queryRpms} from './dnf/query.ts';
import {requiredInput} from './inputs.ts';
import {isOnlyImported, packagesOf} from './rpm-tree.ts';
import type {StageRunner} from './stage.ts';
import {mountPoint, runInTree, scratchFile} from './tree.ts';

/**
 * Looks for what should not be in an image: `findings.json`. The whole tree is read, as it is packed, so that no cached
 * layer hides anything. Findings are no failure: what becomes of them is the matter of a policy (src/vet/judge.ts).
 */
export const runVet: StageRunner = async (context) => {
  const {expected} = context.node.params as unknown as {readonly expected: Expected};
  const told = requiredInput(context, context.node.dependsOn[0] ?? '');
  const {packages} = JSON.parse(readFileSync(join(told.path, documentNames.inventory), 'utf8')) as Inventory;
  const tree = mountPoint(context);
  const manager = packagesOf(context.node);
  const facts = manager === 'dnf' ? await queryRpms(context) : undefined;
  if (facts?.ok === false) return fail({failure: facts.error});
  const request: Omit<VetRequest, 'xattrs'> = {
    root: tree,
    expected,
    layers: context.node.layers.map((id) => requiredInput(context, id).path),
    strangers: packages
      .filter(({deb, rpm}) => deb === undefined && rpm === undefined)
      .map(({name, version}) => ({name, version})),
    ...(isOnlyImported(context.node) ? {withoutPackages: true} : {}),
    ...(facts === undefined
      ? {}
      : {
          database: (context.node.params['rpm'] as unknown as RpmSystem).database,
          rpmFiles: JSON.parse(readFileSync(join(facts.value.folder, 'files.json'), 'utf8')) as RpmFiles,
        }),
  };
  const output = join(context.output, findingsFile);
  context.progress('Looking for what should not be there');
  const looked = await runInTree(context, {
    inside: 'host',
    shown: ['vet.sh', tree],
    command: [
      '/bin/sh',
      join(packageRoot, 'src/stages/scripts/vet.sh'),
      process.execPath,
      fileURLToPath(new URL('../vet/main.js', import.meta.url)),
      join(packageRoot, 'cache/xattrs.pl'),
      tree,
      scratchFile(context, 'request.json', JSON.stringify(request)),
      join(context.work, 'xattrs'),
      output,
    ],
  });
  if (!looked.ok) return fail({failure: looked.error});
  const {findings, looked: amount} = JSON.parse(readFileSync(output, 'utf8')) as Findings;
  const lines = findings.map(({check, severity, path, detail}) => `${severity} ${check} ${path}: ${detail}`);
  writeFileSync(join(context.output, 'findings.txt'), lines.map((line) => `${line}\n`).join(''));
  const counts = severities.map((one) => [one, findings.filter(({severity}) => severity === one).length]);
  return ok({result: {...(Object.fromEntries(counts) as Record<string, number>), entries: amount.entries}});
};
