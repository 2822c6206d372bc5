import type {PackPlan} from '../../targets/contract.ts';
import {machineOf} from '../spec/distributions.ts';
import type {Image, ImageTarget} from '../spec/image.ts';
import type {Customizing} from './customize.ts';
import type {GraphBuilder} from './graph-builder.ts';
import {json, packPrograms, platformNotes, possibleBoots} from './image-words.ts';
import type {Installing} from './locked.ts';
import {packedSystem} from './packed-system.ts';
import type {PlanRequest} from './plan.ts';
import type {Roots} from './roots.ts';
import {sbomInputs} from './sbom-node.ts';
import {vetNode} from './vet-node.ts';

/** An artifact that the plan ends in: what `artifacts/<image>/<target>` will be. */
export interface Delivery {
  readonly image: Image;
  readonly target: string;
  readonly pack: string;
  /** The stage that tells what is inside. */
  readonly sbom: string;
  /** Whether there is a way to boot it, whether or not this plan does. */
  readonly boots: boolean;
  readonly test?: string;
  /** The stage that looks for what should not be in the tree. */
  readonly vet?: string;
}

/** What a plan is made with. */
export interface PlanParts {
  readonly graph: GraphBuilder;
  readonly roots: Roots;
  readonly customizing: Customizing;
  readonly request: PlanRequest;
}

/** Adds the stages of one target, from the customized tree to the artifact and what is found out about it. */
export async function planTarget(
  image: Image,
  {name, type, options}: ImageTarget,
  {graph, roots, customizing, request}: PlanParts,
): Promise<Delivery> {
  const {archive, repositories, layers} = await customizing.tree(image, {name, type});
  const target = request.targetOfType(type);
  const common = {
    image: image.name,
    target: name,
    origins: [
      {param: ['tests'], spec: ['tests']},
      {param: [], spec: ['targets', name]},
    ],
    notes: {[`targets.${name}`]: {type, ...options}, ...platformNotes(image)},
  };
  const epoch = roots.archives.epoch(image.os);
  const {initramfsPackages, initramfsFiles, ...plan} = target.adapt(image, options);
  const packPlan = target.pack(image, options);
  const of = `${image.name}/${name}`;
  const installing = (stage: string, install: readonly string[]): Installing =>
    roots.installing({stage, archive, install, remove: [], os: image.os, repositories});
  const initramfs: string[] = [];
  if (bootsItself.has(packPlan.kind)) {
    const initrdPackages = installing(`initramfs:${of}`, initramfsPackages);
    initramfs.push(
      graph.add({
        ...common,
        ...initrdPackages,
        id: `initramfs:${of}`,
        kind: 'initramfs',
        title: `initial RAM disk ${image.name} for ${name}`,
        dependsOn: [...initrdPackages.dependsOn, ...layers],
        layers,
        params: {
          plan: json({initramfsPackages, initramfsFiles}),
          target_version: target.version,
          ...epoch,
          ...initrdPackages.params,
        },
      }),
    );
  }
  const adaptPackages = installing(`adapt:${of}`, plan.packages);
  const adapt = graph.add({
    ...common,
    ...adaptPackages,
    id: `adapt:${of}`,
    kind: 'adapt',
    title: `adapt ${image.name} to ${name}`,
    dependsOn: [...adaptPackages.dependsOn, ...layers],
    layers,
    params: {plan: json(plan), target_version: target.version, ...epoch, ...adaptPackages.params},
  });
  const pack = graph.add({
    ...common,
    id: `pack:${of}`,
    kind: 'pack',
    title: `pack ${image.name} for ${name}`,
    ...roots.programs([...initramfs, ...layers, adapt], packPrograms(packPlan)),
    layers: [...layers, adapt],
    params: {
      plan: json(packPlan),
      system: packedSystem(image.os, roots.archives.template(image.os)),
      target_version: target.version,
      ...epoch,
    },
  });
  const told = sbomInputs([...layers, adapt], (id) => graph.node(id));
  const sbom = graph.add({
    ...common,
    id: `sbom:${of}`,
    kind: 'sbom',
    title: `contents of ${image.name} for ${name}`,
    dependsOn: told.dependsOn,
    layers: [...layers, adapt],
    params: {...told.params, ...epoch},
  });
  const looks = {image, target: name, images: request.images, repositories, sbom};
  const vetted =
    request.vet !== true
      ? {}
      : {
          vet: graph.add({
            ...common,
            ...vetNode(
              {...looks, sources: roots.archives.imageSources(image.os), layers: [...layers, adapt], epoch},
              (id) => graph.node(id),
            ),
          }),
        };
  const boots = possibleBoots(packPlan, target.boot(image, options), image.os);
  const made = {image, target: name, pack, sbom, boots: boots.length > 0, ...vetted};
  if (!request.test || boots.length === 0) return made;
  const test = graph.add({
    ...common,
    id: `test:${of}`,
    kind: 'test',
    title: `boot ${image.name} as ${name}`,
    dependsOn: [pack],
    layers: [],
    params: {
      plan: json(packPlan),
      boots: json(boots),
      tests: json(image.tests),
      architecture: image.os.architecture,
    },
    tools: [`qemu-system-${machineOf(image.os.architecture)}`],
  });
  return {...made, test};
}

/** Artifacts that bring their own kernel and initial RAM disk. */
const bootsItself: ReadonlySet<PackPlan['kind']> = new Set<PackPlan['kind']>(['disk', 'netboot']);
