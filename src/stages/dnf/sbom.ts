import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {readGatheredRpms} from '../../inventory/gathered.ts';
import {RpmIndex} from '../../inventory/rpms.ts';
import type {RpmSystem} from '../../plan/rpm-sources.ts';
import {fail} from '../../result.ts';
import {requiredInput} from '../inputs.ts';
import {gatherByHost} from '../plain-tree.ts';
import {writeDocuments} from '../sbom.ts';
import type {StageRunner} from '../stage.ts';
import {primaryTexts} from './primary.ts';
import {queryRpms} from './query.ts';

/** Tells what is inside an image of rpm packages: its database by the host's rpm, the rest of the tree by the host's perl. */
export const runRpmSbom: StageRunner = async (context) => {
  const {machine} = context.node.params['rpm'] as unknown as RpmSystem;
  context.progress('Looking at what is installed');
  const facts = await queryRpms(context);
  if (!facts.ok) return fail({failure: facts.error});
  const {folder, packages} = facts.value;
  const paths = packages.flatMap(({configuration}) => configuration.map(([path]) => `${path}\0`));
  writeFileSync(join(folder, 'configuration'), paths.join(''));
  const gathered = await gatherByHost(context, folder);
  if (!gathered.ok) return fail({failure: gathered.error});
  const index = new RpmIndex(packages);
  const archives = context.node.dependsOn.filter((id) => !context.node.layers.includes(id));
  for (const archive of archives)
    for (const text of primaryTexts(requiredInput(context, archive).path)) index.addPrimary(text);
  context.progress('Writing the documents');
  const rpmOf = (wanted: Parameters<typeof index.find>[0]): ReturnType<typeof index.find> =>
    index.find(wanted);
  return writeDocuments(context, readGatheredRpms(folder, {facts: packages, architecture: machine, rpmOf}));
};
