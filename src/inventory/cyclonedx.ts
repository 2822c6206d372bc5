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

const imageRef = 'image';

/** A CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/) of an image. */
export function cyclonedxDocument(source: DocumentSource): JsonObject {
  const {inventory, named, epoch} = source;
  const {os} = inventory;
  const refs = new LicenceRefs(named);
  const ids = idsOf(source);
  const files = inventory.files.unowned.filter(({type}) => type === 'file');
  const osRef = `os:${os.id}`;
  const packageRefs = inventory.packages.map((one) => purlOf(source, one));
  const version = os.version_id === '' ? {} : {version: os.version_id};
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: timestamp(epoch),
      lifecycles: [{phase: 'build'}],
      tools: {components: [{type: 'application', name: 'fgimage'}]},
      component: {type: 'operating-system', 'bom-ref': imageRef, name: subjectOf(source), ...version},
    },
    components: [
      {type: 'operating-system', 'bom-ref': osRef, name: os.id, ...version, description: os.name},
      ...inventory.packages.map((one) => packageComponent(one, source, refs)),
      ...files.map(fileComponent),
    ],
    dependencies: [
      {ref: imageRef, dependsOn: [osRef, ...packageRefs, ...files.map(({path}) => fileRef(path))]},
      ...inventory.packages.map((one) => ({
        ref: purlOf(source, one),
        dependsOn: one.depends.flatMap((id) => {
          const other = ids.get(id);
          return other === undefined ? [] : [purlOf(source, other)];
        }),
      })),
    ],
  };
  const {$schema, bomFormat, specVersion, ...rest} = document;
  const serialNumber = `urn:uuid:${contentUuid(document)}`;
  return {$schema, bomFormat, specVersion, serialNumber, ...rest};
}

function packageComponent(one: InventoryPackage, source: DocumentSource, refs: LicenceRefs): JsonObject {
  const purl = purlOf(source, one);
  const file = one.deb ?? one.rpm;
  const kind = purl.startsWith('pkg:rpm/') ? 'rpm' : 'deb';
  const {name, address} = parseMaintainer(one.maintainer);
  const homepage = plainUri(one.homepage);
  const licences = licenceChoice(refs.of(one.name, one.licences), refs);
  const properties = [
    [`fgimage:${kind}:architecture`, one.architecture],
    ...(file === undefined ? [] : [[`fgimage:${kind}:path`, file.path]]),
    [`fgimage:${kind}:section`, one.section],
    [`fgimage:${kind}:source`, one.source.name],
    [`fgimage:${kind}:source-version`, one.source.version],
  ];
  return {
    type: 'library',
    'bom-ref': purl,
    ...(name === ''
      ? {}
      : {supplier: {name, ...(address === undefined ? {} : {contact: [{name, email: address}]})}}),
    name: one.name,
    version: one.version,
    ...(file === undefined ? {} : {hashes: [{alg: 'SHA-256', content: file.sha256}]}),
    ...(licences.length === 0 ? {} : {licenses: licences}),
    purl,
    ...(homepage === undefined ? {} : {externalReferences: [{type: 'website', url: homepage}]}),
    properties: properties.map(([key = '', value = '']) => ({name: key, value})),
  };
}

/** Either a list of licences that all hold, or one expression: the schema takes no mixture. */
function licenceChoice(licences: readonly string[], refs: LicenceRefs): readonly JsonObject[] {
  if (licences.some((licence) => licence.includes(' '))) {
    const expression = licences.map((one) => (one.includes(' OR ') ? `(${one})` : one)).join(' AND ');
    return [{expression}];
  }
  return licences.map((licence) => {
    const named = refs.find(licence);
    if (named === undefined) return {license: {id: licence, acknowledgement: 'declared'}};
    const text = {contentType: 'text/plain', content: named.text};
    return {license: {name: named.name, text, acknowledgement: 'declared'}};
  });
}

function fileComponent({path, sha256}: InventoryFile): JsonObject {
  return {
    type: 'file',
    'bom-ref': fileRef(path),
    name: path,
    ...(sha256 === undefined ? {} : {hashes: [{alg: 'SHA-256', content: sha256}]}),
  };
}

function fileRef(path: string): string {
  return `file:${path}`;
}
