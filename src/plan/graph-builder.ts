import {isDeepStrictEqual} from 'node:util';
import {type DigestCache, fingerprint} from './fingerprint.ts';
import type {Origin, StageKind, StageNode} from './graph.ts';
import {canonicalDigest} from './key.ts';

/**
 * Raised when the code of a stage changes what it writes. Target code counts through `Target.version` and through
 * the plans it gives, which are hashed as they are; a kind of provisioner through `ProvisionKind.version`.
 */
const versions: Readonly<Record<StageKind, number>> = {
  archive: 2,
  base: 2,
  repositories: 1,
  packages: 1,
  settings: 1,
  users: 1,
  files: 1,
  provision: 4,
  services: 1,
  adapt: 1,
  initramfs: 1,
  pack: 7,
  sbom: 1,
  test: 2,
  vet: 1,
};

export interface GraphOptions {
  readonly projectDir: string;
  /** The environment that stages give their commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** `cache.salt` of the spec. */
  readonly salt?: string | undefined;
  /** Digests of the project's files from earlier runs. */
  readonly digests?: DigestCache | undefined;
}

/** A node but for what is the same for all, or follows from its kind; `files` are paths of the project. */
export type NewNode = Omit<StageNode, 'version' | 'files' | 'tools' | 'environment' | 'salt' | 'origins'> & {
  readonly files?: readonly string[];
  readonly tools?: readonly string[];
  readonly origins?: readonly Origin[];
};

/** The nodes of a plan as they are added. */
export class GraphBuilder {
  readonly nodes: StageNode[] = [];
  readonly #byId = new Map<string, StageNode>();
  readonly #options: GraphOptions;

  constructor(options: GraphOptions) {
    this.#options = options;
  }

  node(id: string): StageNode | undefined {
    return this.#byId.get(id);
  }

  /** Adds a node once. Two of one name that differ (an OS from two mirrors) are told apart by their parameters' digest. */
  add(node: NewNode): string {
    const existing = this.#byId.get(node.id);
    if (existing !== undefined) {
      if (isDeepStrictEqual(existing.params, node.params)) return node.id;
      return this.add({...node, id: `${node.id}-${canonicalDigest(node.params).slice(0, 8)}`});
    }
    const files = Object.fromEntries((node.files ?? []).map((path) => [path, this.fingerprint(path)]));
    const {environment, salt} = this.#options;
    const added: StageNode = {
      ...node,
      version: versions[node.kind],
      files,
      tools: node.tools ?? [],
      origins: node.origins ?? [],
      environment,
      ...(salt === undefined ? {} : {salt}),
    };
    this.nodes.push(added);
    this.#byId.set(added.id, added);
    return node.id;
  }

  /** SHA-256 of a file of the project, as keys hold it. */
  fingerprint(path: string): string {
    return fingerprint(this.#options.projectDir, path, this.#options.digests);
  }
}
