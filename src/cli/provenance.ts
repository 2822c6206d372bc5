import {relative} from 'node:path';
import {
  type FileDigest,
  type ProvenanceInput,
  type ProvenPackage,
  provenanceFile,
  provenanceText,
} from '../attest/provenance.ts';
import {packageVersion} from '../package-root.ts';
import type {StageNode} from '../plan/graph.ts';
import {derivedUuid} from '../plan/key.ts';
import type {Delivery} from '../plan/plan.ts';
import {isOnline} from '../plan/provision-parts.ts';
import type {Parcel} from '../run/deliver.ts';
import type {JsonValue} from '../spec/image.ts';
import {starterPrefix} from '../spec/starters.ts';
import type {FinishedRun} from './finish.ts';
import type {Session} from './session.ts';

/** The provenance of a delivery, from the plan and the records of the stages that made it. */
export function provenanceOf(
  delivery: Delivery,
  {session, states}: FinishedRun,
  used: readonly StageNode[],
): NonNullable<Parcel['proof']> {
  const {image, target, pack} = delivery;
  // Boots say nothing of how an artifact was made, and whether there are any differs from build to build.
  const nodes = used.filter(({kind}) => kind !== 'test');
  const stages = nodes.flatMap((node): ProvenanceInput['stages'] => {
    const {id} = node;
    const state = states.get(id);
    if (state?.state !== 'run' && state?.state !== 'cached') return [];
    const found = session.store.find(state.key);
    if (found.state !== 'known') return [];
    const {key, digest, startedAt, durationMs, log} = found.action;
    return [{stage: id, key, digest, startedAt, durationMs, log, network: isOnline(node)}];
  });
  const packed = states.get(pack);
  const made = packed?.state === 'run' || packed?.state === 'cached' ? packed : undefined;
  const madeAt = stages.find(({stage}) => stage === pack)?.startedAt ?? 0;
  const input: Omit<ProvenanceInput, 'subjects' | 'documents'> = {
    version: packageVersion(),
    image,
    target,
    specDigest: session.spec.digest,
    stages,
    projectFiles: projectFiles(session, nodes),
    packages: packages(delivery, nodes, made?.output.result['packages']),
    suites: suites(nodes),
    tools: toolVersions(session, nodes),
    invocationId: made === undefined ? '' : `urn:uuid:${derivedUuid(made.key, `made at ${madeAt}`)}`,
  };
  return {
    path: provenanceFile,
    text: ({files, documents}) => provenanceText({...input, subjects: files, documents}),
  };
}

function projectFiles({spec, lock}: Session, nodes: readonly StageNode[]): readonly FileDigest[] {
  const own = [...spec.files, ...(lock === undefined ? [] : [{path: lock.path, sha256: lock.digest}])];
  const digests = new Map(own.map((file) => [nameInProject(spec.projectDir, file), file.sha256]));
  for (const node of nodes) {
    for (const [path, digest] of Object.entries(node.files)) digests.set(path, digest.replace('+x', ''));
  }
  return [...digests].map(([path, sha256]) => ({path, sha256}));
}

/** A starter lies in fgimage, wherever that is installed. */
function nameInProject(
  projectDir: string,
  {path, starter}: {readonly path: string; readonly starter?: string},
): string {
  return starter === undefined ? relative(projectDir, path) : `${starterPrefix}${starter}`;
}

/** The .debs of the lock; without one, what the image's own package database says, which knows no digests. */
function packages(
  {image: {os}}: Delivery,
  nodes: readonly StageNode[],
  installed: JsonValue | undefined,
): readonly ProvenPackage[] {
  const locked = nodes.flatMap((node) =>
    (node.locked?.packages ?? []).map(
      ({name, version, architecture, path, sha256}): ProvenPackage => ({
        ...{distribution: node.locked?.os.distribution ?? '', release: node.locked?.os.release ?? ''},
        ...{name, version, architecture, path, sha256},
      }),
    ),
  );
  if (locked.length > 0 || !Array.isArray(installed)) return locked;
  const told = installed as readonly Pick<ProvenPackage, 'name' | 'version' | 'architecture'>[];
  return told.map(({name, version, architecture}) => ({
    ...{distribution: os.distribution, release: os.release},
    ...{name, version, architecture},
  }));
}

function suites(nodes: readonly StageNode[]): ProvenanceInput['suites'] {
  const all = nodes.flatMap(({locked}) =>
    (locked?.suites ?? []).map(({origin, name, sha256}) => {
      const release = `InRelease of ${locked?.os.distribution ?? ''} ${name} (${origin})`;
      return [`${release} ${sha256}`, {name: release, sha256}] as const;
    }),
  );
  return [...new Map(all).values()];
}

function toolVersions({tools}: Session, nodes: readonly StageNode[]): Readonly<Record<string, string>> {
  // Programs of a tools image are no programs of the host: its own stage is among those that are told.
  const own = nodes.filter(({toolsFrom}) => toolsFrom === undefined).flatMap((node) => node.tools);
  return Object.fromEntries([...new Set(own)].sort().map((name) => [name, tools.find(name)?.version ?? '']));
}
