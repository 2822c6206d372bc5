import {createHash} from 'node:crypto';
import type {JsonObject} from '../spec/image.ts';
import {
  contentUuid,
  type DocumentSource,
  idsOf,
  parseMaintainer,
  plainUri,
  purlOf,
  subjectOf,
  timestamp,
} from './document.ts';
import type {InventoryFile, InventoryPackage} from './inventory.ts';
import {LicenceRefs} from './licence-refs.ts';

const imageId = 'SPDXRef-Image';
const unownedId = 'SPDXRef-Unowned';
const unknown = 'NOASSERTION';

/** An SPDX 2.3 document (https://spdx.github.io/spdx-spec/v2.3/) of an image. */
export function spdxDocument(source: DocumentSource): JsonObject {
  const {inventory, named, epoch} = source;
  const refs = new LicenceRefs(named);
  const files = inventory.files.unowned.filter(({type, path}) => type === 'file' && source.sha1.has(path));
  const ids = idsOf(source);
  const packageIds = new Map([...ids].map(([id, one]) => [id, packageId(one)] as const));
  const relationships = [
    relationship('SPDXRef-DOCUMENT', 'DESCRIBES', imageId),
    ...[...packageIds.values()].map((id) => relationship(imageId, 'CONTAINS', id)),
    ...(files.length === 0 ? [] : [relationship(imageId, 'CONTAINS', unownedId)]),
    ...[...ids].flatMap(([id, {depends}]) =>
      depends.flatMap((other) => {
        const [from, to] = [packageIds.get(id), packageIds.get(other)];
        return from === undefined || to === undefined ? [] : [relationship(from, 'DEPENDS_ON', to)];
      }),
    ),
    ...files.map(({path}) => relationship(unownedId, 'CONTAINS', fileId(path))),
  ];
  const used = refs.all();
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: subjectOf(source),
    creationInfo: {created: timestamp(epoch), creators: ['Tool: fgimage']},
    packages: [
      imagePackage(source),
      ...inventory.packages.map((one) => packageEntry(one, source, refs)),
      ...(files.length === 0 ? [] : [unownedPackage(source, files)]),
    ],
    ...(files.length === 0 ? {} : {files: files.map((file) => fileEntry(file, source.sha1))}),
    ...(used.length === 0
      ? {}
      : {
          hasExtractedLicensingInfos: used.map(({ref, name, text}) => ({
            licenseId: ref,
            name,
            extractedText: text,
          })),
        }),
    relationships,
  };
  const {spdxVersion, dataLicense, SPDXID, name, ...rest} = document;
  const documentNamespace = `urn:uuid:${contentUuid(document)}`;
  return {spdxVersion, dataLicense, SPDXID, name, documentNamespace, ...rest};
}

function imagePackage(source: DocumentSource): JsonObject {
  const {os} = source.inventory;
  return {
    SPDXID: imageId,
    name: subjectOf(source),
    ...(os.version_id === '' ? {} : {versionInfo: os.version_id}),
    downloadLocation: unknown,
    filesAnalyzed: false,
    licenseConcluded: unknown,
    licenseDeclared: unknown,
    copyrightText: unknown,
    primaryPackagePurpose: 'OPERATING_SYSTEM',
    summary: `Machine image of ${os.name}, ${os.architecture}`,
  };
}

function packageEntry(one: InventoryPackage, source: DocumentSource, refs: LicenceRefs): JsonObject {
  const maintainer = parseMaintainer(one.maintainer);
  const file = one.deb ?? one.rpm;
  const homepage = plainUri(one.homepage);
  return {
    SPDXID: packageId(one),
    name: one.name,
    versionInfo: one.version,
    ...(file === undefined ? {} : {packageFileName: file.path}),
    ...(maintainer.name === ''
      ? {}
      : {
          supplier: `${maintainer.isPerson ? 'Person' : 'Organization'}: ${maintainer.name}${maintainer.address === undefined ? '' : ` (${maintainer.address})`}`,
        }),
    downloadLocation: unknown,
    filesAnalyzed: false,
    ...(file === undefined ? {} : {checksums: [{algorithm: 'SHA256', checksumValue: file.sha256}]}),
    ...(homepage === undefined ? {} : {homepage}),
    sourceInfo: `built from the source package ${one.source.name} ${one.source.version}, for ${one.architecture}`,
    licenseConcluded: unknown,
    licenseDeclared: refs.expressionOf(one.name, one.licences) ?? unknown,
    copyrightText: unknown,
    externalRefs: [
      {referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purlOf(source, one)},
    ],
  };
}

/** What no package brought, as a package: only one whose files are told may hold files (SPDX 2.3, 7.8). */
function unownedPackage({sha1}: DocumentSource, files: readonly InventoryFile[]): JsonObject {
  return {
    SPDXID: unownedId,
    name: 'files of no package',
    downloadLocation: unknown,
    filesAnalyzed: true,
    packageVerificationCode: {
      packageVerificationCodeValue: verificationCode(files.map(({path}) => sha1.get(path) ?? '')),
    },
    licenseConcluded: unknown,
    licenseDeclared: unknown,
    licenseInfoFromFiles: [unknown],
    copyrightText: unknown,
    hasFiles: files.map(({path}) => fileId(path)),
  };
}

/** SPDX 2.3, 7.9: SHA-1 of the files' SHA-1s, sorted, one after the other. */
function verificationCode(digests: readonly string[]): string {
  return createHash('sha1')
    .update([...digests].sort().join(''))
    .digest('hex');
}

function fileEntry({path, sha256}: InventoryFile, sha1: ReadonlyMap<string, string>): JsonObject {
  return {
    SPDXID: fileId(path),
    fileName: `.${path}`,
    checksums: [
      {algorithm: 'SHA1', checksumValue: sha1.get(path) ?? ''},
      ...(sha256 === undefined ? [] : [{algorithm: 'SHA256', checksumValue: sha256}]),
    ],
    licenseConcluded: unknown,
    licenseInfoInFiles: [unknown],
    copyrightText: unknown,
  };
}

function relationship(from: string, type: string, to: string): JsonObject {
  return {spdxElementId: from, relationshipType: type, relatedSpdxElement: to};
}

/** Names of packages hold a `+`, and with rpm `_`, which an id may not. Of rpm's several versions may be installed. */
function packageId({name, architecture, version, rpm}: InventoryPackage): string {
  const words = [name, architecture, ...(rpm === undefined ? [] : [version])];
  return `SPDXRef-Package-${words.map((word) => word.replaceAll(/[^A-Za-z0-9.-]/g, escaped)).join('-')}`;
}

function escaped(character: string): string {
  return `.${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function fileId(path: string): string {
  return `SPDXRef-File-${createHash('sha256').update(path).digest('hex').slice(0, 20)}`;
}
