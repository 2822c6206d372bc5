import {join} from 'node:path';
import {vi} from 'vitest';
import {Store} from '../../cache/store.ts';
import {sha256} from '../../cache/tree.ts';
import {writeLock} from '../../src/lock/file.ts';
import type {Lock, LockedArchive, LockedStage} from '../../src/lock/lock.ts';
import {lockPathOf} from '../../src/lock/path.ts';
import {requestOf} from '../../src/lock/request.ts';
import {archiveName} from '../../src/plan/archives.ts';
import type {StageNode} from '../../src/plan/graph.ts';
import {stageKey} from '../../src/plan/key.ts';
import {type PlanRequest, planImages} from '../../src/plan/plan.ts';
import {archiveUris} from '../../src/run/host-archive.ts';
import {keyParts} from '../../src/run/resolve.ts';
import {HostTools} from '../../src/run/tools.ts';
import {cleanEnvironment} from '../../src/sandbox/environment.ts';
import {formatDiagnostics} from '../../src/spec/diagnostic.ts';
import {loadSpec} from '../../src/spec/load.ts';
import {targetOfType} from '../../targets/registry.ts';
import type {Rig} from './rig.ts';
import {publishFiles} from './stored.ts';

/**
 * Makes the project and the cache of a rig what they are after `fgimage lock` and a build of it: a lock of made-up
 * packages, and small texts in the place of trees and artifacts. `hostTools`: of a build with --host-tools.
 */
export async function lockAndSeed(
  rig: Rig,
  {hostTools = false}: {readonly hostTools?: boolean} = {},
): Promise<void> {
  rig.fakeTool('mmdebstrap', simulatedMmdebstrap);
  vi.stubEnv('PATH', rig.path);
  const store = Store.open(rig.cache);
  try {
    const loaded = await loadSpec({file: 'fgimage.yaml', cwd: rig.project});
    if (!loaded.ok) throw new Error(formatDiagnostics(loaded.error));
    const {images, projectDir, cache} = loaded.value;
    const request: PlanRequest = {
      ...{images, projectDir, targetOfType, onlyImages: [], onlyTargets: [], test: false, toolsImage: true},
      archiveOf: (os) => archiveUris(os, store),
      environment: cleanEnvironment,
      salt: cache.salt,
    };
    const lock = madeUpLock((await planImages(request)).nodes);
    writeLock(lockPathOf(join(rig.project, 'fgimage.yaml')), lock);
    const {nodes, lockProblems} = await planImages({...request, lock, toolsImage: !hostTools});
    if (lockProblems.length > 0) throw new Error(lockProblems.join('\n'));
    await seed(nodes, store);
    store.flush();
  } finally {
    store.close();
    vi.unstubAllEnvs();
  }
}

/** An mmdebstrap that is only asked where the archives are: the tools image has no mirror of its own. */
const simulatedMmdebstrap = `[ $# -eq 1 ] && echo 'mmdebstrap 1.0' && exit
for word; do case $word in --setup-hook=*) list=$(echo "$word" | sed 's/.* "\\(.*\\)"$/\\1/');; esac; done
[ -n "$list" ] || exit 9
echo 'deb http://mirror.example.org/debian trixie main' > "$list"`;

/** Every package that is asked for is there once, and needs no other. */
function madeUpLock(nodes: readonly StageNode[]): Lock {
  const stages: Record<string, LockedStage> = {};
  const archives: Record<string, LockedArchive> = {};
  for (const node of nodes) {
    const request = requestOf(node);
    const asked = nodes.find(({id, kind}) => kind === 'archive' && node.dependsOn.includes(id));
    if (request === undefined || asked === undefined) continue;
    const archive = archiveName(asked.id);
    const names = request.install.map((word) => word.split('=')[0] ?? '');
    stages[node.id] = {archive, ...request, packages: names};
    const known = archives[archive]?.packages ?? [];
    const fresh = names.filter((name) => !known.some((one) => one.name === name));
    archives[archive] = {
      os: {distribution: 'debian', release: archive.split(/[-/]/)[1] ?? '', architecture: 'amd64'},
      suites: suitesOf(asked),
      packages: [...known, ...fresh.map(madeUpPackage)].sort((a, b) => (a.name < b.name ? -1 : 1)),
    };
  }
  const sources: Record<string, Record<string, string>> = {};
  for (const {kind, image = '', files} of nodes)
    if (kind === 'provision') sources[image] = {...sources[image], ...files};
  return {version: 1, archives, stages, sources};
}

function madeUpPackage(name: string): LockedArchive['packages'][number] {
  const path = `pool/main/${name}_1.0_amd64.deb`;
  return {
    name,
    version: '1.0',
    architecture: 'amd64',
    origin: 'main',
    path,
    size: name.length,
    sha256: sha256(name),
  };
}

function suitesOf({params}: StageNode): LockedArchive['suites'] {
  const sources = params['sources'] as unknown as readonly {
    readonly origin: string;
    readonly suite: string;
    readonly components: readonly string[];
  }[];
  return sources.map(({origin, suite, components}) => ({
    ...{name: suite, origin, components, date: '2026-01-01T00:00:00Z', sha256: sha256(suite)},
  }));
}

async function seed(nodes: readonly StageNode[], store: Store): Promise<void> {
  const tools = new HostTools(store);
  const digests = new Map<string, string>();
  for (const [index, node] of nodes.entries()) {
    const name = node.kind === 'sbom' ? 'sbom.spdx.json' : 'artifact';
    const digest = await publishFiles(store, {[name]: `content of ${node.id}`});
    digests.set(node.id, digest);
    const made = keyParts(node, {tools, digestOf: (id) => digests.get(id) ?? ''});
    if (!made.ok) throw new Error(JSON.stringify(made.failure));
    const result =
      node.kind === 'pack' ? {artifact: 'artifact', format: 'text', packages: [], kernels: []} : {};
    store.record({
      key: stageKey(made.value),
      stage: node.id,
      digest,
      sizeBytes: 100,
      durationMs: 1000,
      startedAt: Date.UTC(2026, 0, 1, 12, index),
      parts: made.value,
      result: {...result, size_bytes: 100},
    });
  }
}
