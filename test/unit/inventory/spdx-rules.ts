/** What the specification of SPDX 2.3 asks for beyond the form of a document; gives what is broken. */
export function brokenSpdxRules(document: SpdxDocument, licenceIds: ReadonlySet<string>): readonly string[] {
  const {packages, files = [], relationships, hasExtractedLicensingInfos: extracted = []} = document;
  const elements = [document.SPDXID, ...packages.map(idOf), ...files.map(idOf)];
  const known = new Set(elements);
  const refs = extracted.map(({licenseId}) => licenseId);
  const named = packages
    .map(({licenseDeclared = 'NOASSERTION'}) => licenseDeclared)
    .flatMap((expression) => expression.split(/[() ]+/))
    .filter((word) => !['', 'AND', 'OR', 'WITH', 'NOASSERTION'].includes(word));
  const opaque = new Set(packages.filter(({filesAnalyzed}) => filesAnalyzed === false).map(idOf));
  const fileIds = new Set(files.map(idOf));
  return [
    ...repeated(elements).map((id) => `${id} is there twice`),
    ...repeated(refs).map((id) => `${id} is there twice`),
    ...named
      .filter((word) => !licenceIds.has(word) && !refs.includes(word))
      .map((word) => `${word} is no licence`),
    ...refs.filter((ref) => !named.includes(ref)).map((ref) => `nobody has ${ref}`),
    ...relationships.flatMap(({spdxElementId: from, relatedSpdxElement: to}) => [
      ...[from, to].filter((id) => !known.has(id)).map((id) => `there is no ${id}`),
      ...(opaque.has(from) && fileIds.has(to) ? [`${from} tells no files and has ${to}`] : []),
    ]),
    ...(relationships.some(({relationshipType: type}) => type === 'DESCRIBES')
      ? []
      : ['nothing is described']),
  ];
}

export interface SpdxDocument {
  readonly SPDXID: string;
  readonly name: string;
  readonly documentNamespace: string;
  readonly creationInfo: {readonly created: string};
  readonly packages: readonly SpdxPackage[];
  readonly files?: readonly {readonly SPDXID: string; readonly fileName: string}[];
  readonly relationships: readonly {
    readonly spdxElementId: string;
    readonly relationshipType: string;
    readonly relatedSpdxElement: string;
  }[];
  readonly hasExtractedLicensingInfos?: readonly {
    readonly licenseId: string;
    readonly extractedText: string;
  }[];
}

export interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo?: string;
  readonly packageFileName?: string;
  readonly filesAnalyzed?: boolean;
  readonly licenseDeclared?: string;
  readonly checksums?: readonly {readonly algorithm: string; readonly checksumValue: string}[];
  readonly externalRefs?: readonly {readonly referenceLocator: string}[];
  readonly packageVerificationCode?: {readonly packageVerificationCodeValue: string};
}

function idOf({SPDXID}: {readonly SPDXID: string}): string {
  return SPDXID;
}

function repeated(list: readonly string[]): readonly string[] {
  return list.filter((one, index) => list.indexOf(one) !== index);
}
