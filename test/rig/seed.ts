import {vi} from 'vitest';
import {Store} from '../../cache/store.ts';
import type {StageNode} from '../../src/plan/graph.ts';
import {type KeyParts, stageKey} from '../../src/plan/key.ts';
import {planImages} from '../../src/plan/plan.ts';
import {archiveUris} from '../../src/run/host-archive.ts';
import {HostTools} from '../../src/run/tools.ts';
import {cleanEnvironment} from '../../src/sandbox/environment.ts';
import {formatDiagnostics} from '../../src/spec/diagnostic.ts';
import {loadSpec} from '../../src/spec/load.ts';
import {targetFinder} from '../../targets/registry.ts';
import type {Rig} from './rig.ts';
import {publishFiles} from './stored.ts';

/** Every program of the host that shapes an image, so that no test depends on what the host has. */
const imageTools = [
  ...['apt-get', 'mmdebstrap', 'sfdisk', 'mke2fs', 'mkfs.vfat', 'mmd', 'mcopy', 'qemu-img', 'mksquashfs'],
  'qemu-system-x86_64',
];

/** Puts programs that fail in the place of all that a build runs on the host. */
export function fakeAllTools(rig: Rig): void {
  for (const name of imageTools) rig.fakeTool(name, `[ $# -eq 1 ] && echo '${name} 1.0' && exit\nexit 9`);
}

export interface Seed {
  /** Names of what the archive has. */
  readonly packages: readonly string[];
  readonly test: boolean;
  /** Of the artifacts. */
  readonly format?: string;
  /** What stages made, by their ids, where it matters. */
  readonly contents?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/**
 * Makes the cache of a rig what it is after a whole build of its spec, with small texts in the place of trees and
 * artifacts: from then on every stage is a hit whose key holds what it held now.
 */
export async function seedCache(
  rig: Rig,
  {packages, test, format = 'text', contents = {}}: Seed,
): Promise<void> {
  vi.stubEnv('PATH', rig.path);
  const store = Store.open(rig.cache);
  try {
    const loaded = await loadSpec({file: 'fgimage.yaml', cwd: rig.project});
    if (!loaded.ok) throw new Error(formatDiagnostics(loaded.error));
    const {images, projectDir} = loaded.value;
    const archiveOf = (os: (typeof images)[number]['os']): ReturnType<typeof archiveUris> =>
      archiveUris(os, store);
    const types = images.flatMap(({targets}) => targets.map(({type}) => type));
    const targetOfType = await targetFinder(projectDir, types);
    const request = {
      ...{images, projectDir, targetOfType, archiveOf, test, onlyImages: [], onlyTargets: []},
      environment: cleanEnvironment,
      salt: loaded.value.cache.salt,
    };
    const tools = new HostTools(store);
    const digests = new Map<string, string>();
    for (const node of (await planImages(request)).nodes) {
      const digest = await publishFiles(store, contents[node.id] ?? filesOf(node, packages));
      digests.set(node.id, digest);
      const {kind, version, params, files, environment, salt, notes} = node;
      const parts: KeyParts = {
        kind,
        version,
        params,
        files,
        environment,
        ...(salt === undefined ? {} : {salt}),
        ...(notes === undefined ? {} : {notes}),
        inputs: node.dependsOn.map((id) => [id, digests.get(id) ?? ''] as const),
        tools: Object.fromEntries(node.tools.map((name) => [name, tools.find(name)?.identity ?? ''])),
      };
      const result = kind === 'pack' ? {artifact: 'artifact', format, packages: [], kernels: ['6.1']} : {};
      store.record({
        key: stageKey(parts),
        stage: node.id,
        digest,
        sizeBytes: 100,
        durationMs: 1000,
        startedAt: Date.UTC(2026, 0, 1),
        parts,
        result: {...result, size_bytes: 100},
      });
    }
    store.flush();
  } finally {
    store.close();
    vi.unstubAllEnvs();
  }
}

function filesOf({id, kind}: StageNode, packages: readonly string[]): Readonly<Record<string, string>> {
  if (kind === 'archive') return {'package-names': `${packages.join('\n')}\n`, 'lists/Release': id};
  // Documents lie beside the artifact, so that they have names of their own.
  if (kind === 'sbom')
    return {'inventory.json': `content of ${id}`, 'sbom.cdx.json': '{}', 'sbom.spdx.json': '{}'};
  return {artifact: `content of ${id}`};
}
