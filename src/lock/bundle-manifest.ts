import {z} from 'zod';

/**
 * `bundle.json`: what an archive of `fgimage bundle` holds (docs/reference/bundle.md). Members are all other files of
 * the archive, by path: `README.txt`, and what is below `packages/`, `project/` and `sources/`.
 */
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const size = z.int().min(0);
const name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/);

const schema = z.strictObject({
  version: z.literal(1),
  /** The version of fgimage that wrote it. */
  fgimage: z.string().max(64),
  /** The spec, relative to `project/`. */
  spec: z.string(),
  /** The profiles that are merged over it; absent: none. */
  profiles: z.array(name).min(1).exactOptional(),
  /** The images that are to be built from it. */
  images: z.array(name).min(1),
  members: z.record(z.string(), z.strictObject({size, sha256: digest})),
  /** Symbolic links of the project, which are no members: path and target. */
  links: z.array(z.strictObject({path: z.string(), target: z.string().min(1).max(4096)})),
  /** Folders of the project that have to be there although nothing in them is. */
  folders: z.array(z.string()),
  /** What the images' artifacts were, where they had been built. */
  artifacts: z.array(
    z.strictObject({
      image: name,
      target: name,
      files: z.array(z.strictObject({path: z.string(), size, sha256: digest})),
    }),
  ),
});

export type BundleManifest = z.infer<typeof schema>;

/** Reads `bundle.json`; what is wrong with it, in words, otherwise. */
export function parseManifest(text: string): BundleManifest | string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return 'bundle.json is no JSON';
  }
  const version = typeof json === 'object' && json !== null && 'version' in json ? json.version : undefined;
  if (typeof version === 'number' && version > 1) return 'it was written by a newer fgimage';
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    return `bundle.json is not as it must be at ${parsed.error.issues[0]?.path.join('.') ?? 'its top'}`;
  const {members, links, folders, spec} = parsed.data;
  const inProject = (path: string): string => `project/${path}`;
  const files = [...Object.keys(members), ...links.map(({path}) => inProject(path))];
  return (
    pathProblem(files, folders.map(inProject)) ??
    (Object.hasOwn(members, inProject(spec)) ? undefined : `the spec ${spec} is not in it`) ??
    parsed.data
  );
}

/** What is wrong with the paths of a bundle: one that leads out, is there twice, or has another as its folder. */
export function pathProblem(files: readonly string[], folders: readonly string[] = []): string | undefined {
  const seen = new Set<string>();
  for (const path of [...files, ...folders]) {
    const shown = JSON.stringify(path);
    if (!isPlain(path)) return `${shown} is no path of a bundle`;
    if (seen.has(path)) return `${shown} is in it twice`;
    seen.add(path);
  }
  const plain = new Set(files);
  for (const path of seen) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      if (plain.has(path.slice(0, at)))
        return `${JSON.stringify(path)} lies in ${JSON.stringify(path.slice(0, at))}, which is no folder`;
    }
  }
  return undefined;
}

function isPlain(path: string): boolean {
  if (path === 'README.txt' || /^packages\/[A-Za-z0-9][A-Za-z0-9%+.~_-]*\.deb$/.test(path)) return true;
  if (/^sources\/[A-Za-z0-9][A-Za-z0-9%+.~_-]*$/.test(path)) return true;
  const [top, ...parts] = path.split('/');
  return (
    top === 'project' &&
    parts.length > 0 &&
    path.length <= 4000 &&
    !/\p{Cc}|\uFFFD/u.test(path) &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..' && Buffer.byteLength(part) <= 255)
  );
}
