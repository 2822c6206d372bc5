/** A file of a repository's metadata, as repodata/repomd.xml names it. */
export interface MetadataFile {
  readonly type: string;
  /** Below the repository. */
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * What a resolver reads: packages, all their files (dependencies may be on any), groups, modules. The rest is for people,
 * or says the same in another form (https://github.com/rpm-software-management/createrepo_c, repomd.xml).
 */
const wantedTypes: ReadonlySet<string> = new Set(['primary', 'filelists', 'group', 'group_gz', 'modules']);

/**
 * Reads the files that a resolver wants out of repomd.xml: `<data type="…">` with `<checksum>`, `<location>` and `<size>`.
 * The file is written by programs and was verified; what does not have this form is refused. Throws an Error that says why.
 */
export function readRepomd(text: string): readonly MetadataFile[] {
  const files = [...text.matchAll(/<data type="(?<type>[^"]+)">(?<body>.*?)<\/data>/gs)].flatMap(
    ({groups}) => {
      const {type = '', body = ''} = groups ?? {};
      return wantedTypes.has(type) ? [metadataFile(type, body)] : [];
    },
  );
  if (!files.some(({type}) => type === 'primary')) throw new Error('it names no primary metadata');
  return files;
}

function metadataFile(type: string, body: string): MetadataFile {
  const sha256 = /<checksum type="sha256">\s*([0-9a-f]{64})\s*<\/checksum>/.exec(body)?.[1];
  if (sha256 === undefined) throw new Error(`its ${type} metadata has no SHA-256`);
  const path = /<location [^>]*href="([^"]+)"/.exec(body)?.[1];
  if (path === undefined || !/^repodata\/[A-Za-z0-9][A-Za-z0-9._-]*$/.test(path))
    throw new Error(`its ${type} metadata lies at no place below repodata`);
  const size = /<size>\s*(\d+)\s*<\/size>/.exec(body)?.[1];
  if (size === undefined) throw new Error(`its ${type} metadata has no size`);
  return {type, path, sha256, sizeBytes: Number(size)};
}
