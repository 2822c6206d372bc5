import {architectureOf} from './distributions.ts';
import type {Reporter} from './report.ts';
import {child, entriesAt, isText, type MapTree, type Tree, textAt} from './tree.ts';

/** Types of targets whose machines are PCs: their disks start under a BIOS, or are described as a PC's. */
const onlyAmd64: ReadonlySet<string> = new Set(['eucalyptus', 'nimbus', 'ova', 'vagrant']);

/** What machines of arm64 cannot do. Passes over what the schemas have refused. */
export function checkArchitecture(body: MapTree, report: Reporter): void {
  const architecture = textAt(body, 'os', 'architecture');
  if (architecture === undefined || architectureOf(architecture.value) !== 'arm64') return;
  for (const [name, {keySite, value}] of entriesAt(body, 'targets')) {
    const type = textAt(value, 'type')?.value ?? name;
    if (onlyAmd64.has(type)) {
      report.at(keySite, {
        message: `${type} is for machines of amd64 only, and the image is of arm64`,
        hint: 'Remove the target, or `architecture` from os',
      });
      continue;
    }
    const bios = biosOption(type, value);
    if (bios === undefined) continue;
    report.at(bios.site, {
      message: 'Machines of arm64 have no BIOS, and this target is for one',
      hint: type === 'azure' ? 'Write `generation: 2`' : 'Write `firmware: uefi`',
    });
  }
}

function biosOption(type: string, target: Tree): Tree | undefined {
  if (type === 'azure') {
    const generation = child(target, 'generation');
    return generation?.kind === 'scalar' && generation.value === 1 ? generation : undefined;
  }
  const firmware = child(target, 'firmware');
  return firmware !== undefined && isText(firmware) && firmware.value === 'bios' ? firmware : undefined;
}
