import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {cyclonedxDocument} from '../inventory/cyclonedx.ts';
import {DebIndex, type KnownDeb} from '../inventory/debs.ts';
import {documentText} from '../inventory/document.ts';
import {gatheredPackages, readGathered, type Taken} from '../inventory/gathered.ts';
import {documentNames} from '../inventory/inventory.ts';
import {spdxDocument} from '../inventory/spdx.ts';
import {packageRoot} from '../package-root.ts';
import {fail, ok} from '../result.ts';
import type {JsonObject} from '../spec/image.ts';
import {requiredInput} from './inputs.ts';
import {packagesOf} from './rpm-tree.ts';
import type {StageContext, StageRunner} from './stage.ts';
import {runInTree, sourceDateEpoch} from './tree.ts';

/**
 * Tells what is inside an image: `inventory.json`, and the same as SPDX and as CycloneDX. The tree is asked by its own
 * programs in a sandbox; where the .debs came from is known from the lock, or from the lists of the archives.
 */
export const runSbom: StageRunner = async (context) => {
  switch (packagesOf(context.node)) {
    case 'dnf':
      return (await import('./dnf/sbom.ts')).runRpmSbom(context);
    case 'apk':
    case 'none':
      return (await import('./plain-tree.ts')).runPlainSbom(context);
    case 'apt':
      return runDebSbom(context);
  }
};

const runDebSbom: StageRunner = async (context) => {
  const {debs = []} = context.node.params as unknown as {readonly debs?: readonly KnownDeb[]};
  const archives = context.node.dependsOn.filter((id) => !context.node.layers.includes(id));
  const gathered = join(context.work, 'gathered');
  mkdirSync(gathered);
  context.progress('Looking at what is installed');
  const looked = await runInTree(context, {
    command: ['/bin/sh', '/run/fgimage/sbom.sh', '/run/fgimage/out'],
    bare: true,
    binds: [
      ...['sbom.sh', 'sbom.pl'].map(
        (name) =>
          ({
            source: join(packageRoot, 'src/stages/scripts', name),
            path: `/run/fgimage/${name}`,
            kind: 'file',
            mode: 'ro',
          }) as const,
      ),
      {source: gathered, path: '/run/fgimage/out', kind: 'dir', mode: 'rw'},
    ],
    hint: 'Documents need dpkg and perl-base in the image: was one of them in remove_packages?',
  });
  if (!looked.ok) return fail({failure: looked.error});

  const index = new DebIndex(gatheredPackages(gathered));
  for (const deb of debs) index.add(deb);
  for (const archive of archives) index.addLists(join(requiredInput(context, archive).path, 'lists'));
  // Newer lists mostly tell the same of what is installed.
  const refinement = {debs: index.all() as unknown as JsonObject[]};
  if (archives.length > 0 && context.isKnown(refinement, ...archives)) return ok({result: {}});

  context.progress('Writing the documents');
  return writeDocuments(
    context,
    readGathered(gathered, (wanted) => index.find(wanted)),
  );
};

/** Writes `inventory.json` and the two documents. */
export function writeDocuments(context: StageContext, taken: Taken): Awaited<ReturnType<StageRunner>> {
  const source = {...taken, epoch: sourceDateEpoch(context)};
  const write = (name: string, document: JsonObject): void =>
    writeFileSync(join(context.output, name), documentText(document));
  write(documentNames.inventory, taken.inventory as unknown as JsonObject);
  write(documentNames.spdx, spdxDocument(source));
  write(documentNames.cyclonedx, cyclonedxDocument(source));
  const {packages, files} = taken.inventory;
  return ok({
    result: {
      packages: packages.length,
      packages_without_deb: packages.filter(({deb, rpm}) => deb === undefined && rpm === undefined).length,
      unowned_files: files.unowned.length,
    },
  });
}
