import {createHash} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {cyclonedxDocument} from '../../../src/inventory/cyclonedx.ts';
import {documentText, parseMaintainer, plainUri} from '../../../src/inventory/document.ts';
import {spdxDocument} from '../../../src/inventory/spdx.ts';
import {samplePackage, sampleSource} from './sample.ts';
import {cyclonedxCheck, spdxCheck, spdxLicenceIds} from './schemas.ts';
import {brokenSpdxRules, type SpdxDocument} from './spdx-rules.ts';

const cyclonedx = cyclonedxCheck();
const spdx = spdxCheck();
const libstdcPurl =
  'pkg:deb/debian/libstdc%2B%2B6@1:12.2~rc1-14%2Bb1?arch=amd64&distro=debian-12&upstream=gcc-12%4012.2~rc1-14';
const toolPurl = 'pkg:deb/debian/tool@1.0-1?arch=amd64&distro=debian-12';
const tzdataPurl = 'pkg:deb/debian/tzdata@2024a?arch=all&distro=debian-12';
/** What is one text of two under a name gets the beginning of its digest. */
const [oneRef, otherRef] = ['One text.', 'Another text.'].map(
  (text) => `LicenseRef-permissive-${createHash('sha256').update(text).digest('hex').slice(0, 8)}`,
);

describe('spdxDocument()', () => {
  const document = spdxDocument(sampleSource()) as unknown as SpdxDocument;

  it('is valid', () => {
    expect(spdx(document)).toEqual([]);
    expect(brokenSpdxRules(document, spdxLicenceIds())).toEqual([]);
  });

  it('is checked by rules that can be broken', () => {
    expect(spdx({...document, extra: 1})).not.toEqual([]);
    expect(spdx({...document, creationInfo: {created: 'today', creators: ['somebody']}})).toHaveLength(2);
    expect(
      brokenSpdxRules({...document, packages: document.packages.flatMap((one) => [one, one])}, new Set()),
    ).toContain('SPDXRef-Image is there twice');
    expect(brokenSpdxRules({...document, files: []}, spdxLicenceIds())).toHaveLength(2);
  });

  it('tells packages with all that is known of them', () => {
    expect(document.packages[2]).toEqual({
      SPDXID: 'SPDXRef-Package-tool-amd64',
      name: 'tool',
      versionInfo: '1.0-1',
      packageFileName: 'pool/main/t/tool/tool_1.0-1_amd64.deb',
      supplier: 'Person: Jane Doe (jane@example.org)',
      downloadLocation: 'NOASSERTION',
      filesAnalyzed: false,
      checksums: [{algorithm: 'SHA256', checksumValue: 'ab'.repeat(32)}],
      homepage: 'https://tool.example.org/?a=%5B1%5D#top',
      sourceInfo: 'built from the source package tool 1.0-1, for amd64',
      licenseConcluded: 'NOASSERTION',
      licenseDeclared: `(Artistic-1.0 OR ${otherRef}) AND GPL-3.0-or-later WITH Bison-exception-2.2`,
      copyrightText: 'NOASSERTION',
      externalRefs: [
        {referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: toolPurl},
      ],
    });
    expect(document.packages[1]).toMatchObject({
      SPDXID: 'SPDXRef-Package-libstdc.2B.2B6-amd64',
      supplier: 'Organization: Debian GCC Maintainers (debian-gcc@example.org)',
      licenseDeclared: `${oneRef} AND MIT`,
      externalRefs: [{referenceLocator: libstdcPurl}],
    });
    expect(document.packages[3]).toMatchObject({name: 'tzdata', licenseDeclared: 'NOASSERTION'});
    expect(document.packages[3]).not.toHaveProperty('supplier');
  });

  it('tells files that no package owns as a package of their own, with its verification code', () => {
    const code = createHash('sha1')
      .update(`${'12'.repeat(20)}${'34'.repeat(20)}`)
      .digest('hex');
    expect(document.packages[4]).toMatchObject({
      SPDXID: 'SPDXRef-Unowned',
      packageVerificationCode: {packageVerificationCodeValue: code},
    });
    expect(document.files?.map(({fileName}) => fileName)).toEqual(['./etc/hostname', './opt/ä b']);
    const bare = spdxDocument(sampleSource({files: {unowned: [], changed: []}})) as unknown as SpdxDocument;
    expect(spdx(bare)).toEqual([]);
    expect(bare.packages).toHaveLength(4);
    expect(bare).not.toHaveProperty('files');
  });

  it('tells what hangs on what', () => {
    const told = document.relationships.map(
      ({spdxElementId: from, relationshipType: type, relatedSpdxElement: to}) => `${from} ${type} ${to}`,
    );
    expect(told.slice(0, 6)).toEqual([
      'SPDXRef-DOCUMENT DESCRIBES SPDXRef-Image',
      'SPDXRef-Image CONTAINS SPDXRef-Package-libstdc.2B.2B6-amd64',
      'SPDXRef-Image CONTAINS SPDXRef-Package-tool-amd64',
      'SPDXRef-Image CONTAINS SPDXRef-Package-tzdata-all',
      'SPDXRef-Image CONTAINS SPDXRef-Unowned',
      'SPDXRef-Package-tool-amd64 DEPENDS_ON SPDXRef-Package-libstdc.2B.2B6-amd64',
    ]);
    expect(told).toHaveLength(8);
  });

  it('has the text of each licence that is not of the list', () => {
    const texts = document.hasExtractedLicensingInfos?.map(({licenseId, extractedText}) => [
      licenseId,
      extractedText,
    ]);
    expect(new Map(texts as [string, string][])).toEqual(
      new Map([
        [oneRef, 'One text.'],
        [otherRef, 'Another text.'],
      ]),
    );
  });
});

describe('cyclonedxDocument()', () => {
  const document = cyclonedxDocument(sampleSource());
  const {components, dependencies} = document as unknown as {
    components: readonly Record<string, unknown>[];
    dependencies: readonly unknown[];
  };

  it('is valid', () => {
    expect(cyclonedx(document)).toEqual([]);
    expect(cyclonedx({...document, specVersion: 1})).not.toEqual([]);
    expect(cyclonedx({...document, components: [{type: 'library'}]})).not.toEqual([]);
  });

  it('tells the system, packages and files', () => {
    expect(components.map(({type, name}) => `${String(type)} ${String(name)}`)).toEqual([
      'operating-system debian',
      'library libstdc++6',
      'library tool',
      'library tzdata',
      'file /etc/hostname',
      'file /opt/ä b',
    ]);
    expect(components[1]).toEqual({
      type: 'library',
      'bom-ref': libstdcPurl,
      supplier: {
        name: 'Debian GCC Maintainers',
        contact: [{name: 'Debian GCC Maintainers', email: 'debian-gcc@example.org'}],
      },
      name: 'libstdc++6',
      version: '1:12.2~rc1-14+b1',
      licenses: [
        {
          license: {
            name: 'permissive',
            text: {contentType: 'text/plain', content: 'One text.'},
            acknowledgement: 'declared',
          },
        },
        {license: {id: 'MIT', acknowledgement: 'declared'}},
      ],
      purl: libstdcPurl,
      properties: [
        {name: 'fgimage:deb:architecture', value: 'amd64'},
        {name: 'fgimage:deb:section', value: 'utils'},
        {name: 'fgimage:deb:source', value: 'gcc-12'},
        {name: 'fgimage:deb:source-version', value: '12.2~rc1-14'},
      ],
    });
    expect(components[2]).toMatchObject({
      hashes: [{alg: 'SHA-256', content: 'ab'.repeat(32)}],
      licenses: [{expression: `(Artistic-1.0 OR ${otherRef}) AND GPL-3.0-or-later WITH Bison-exception-2.2`}],
      properties: expect.arrayContaining([
        {name: 'fgimage:deb:path', value: 'pool/main/t/tool/tool_1.0-1_amd64.deb'},
      ]) as unknown,
    });
    expect(components[3]).not.toHaveProperty('supplier');
  });

  it('tells what hangs on what', () => {
    expect(dependencies).toEqual([
      {
        ref: 'image',
        dependsOn: ['os:debian', libstdcPurl, toolPurl, tzdataPurl, 'file:/etc/hostname', 'file:/opt/ä b'],
      },
      {ref: libstdcPurl, dependsOn: []},
      {ref: toolPurl, dependsOn: [libstdcPurl]},
      {ref: tzdataPurl, dependsOn: []},
    ]);
  });
});

describe.each([
  ['spdxDocument()', spdxDocument, 'documentNamespace'],
  ['cyclonedxDocument()', cyclonedxDocument, 'serialNumber'],
] as const)('%s', (_, make, name) => {
  it('hangs on what is inside alone, and its name on all of it', () => {
    const document = make(sampleSource());
    expect(documentText(make(sampleSource()))).toBe(documentText(document));
    expect(document[name]).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(documentText(document)).toContain('"2023-06-10T00:00:00Z"');
    const others = [
      make(sampleSource({os: {...sampleSource().inventory.os, codename: 'sid', version_id: ''}})),
      make({...sampleSource(), epoch: 0}),
      make(sampleSource({packages: [samplePackage()]})),
    ];
    expect(new Set([document, ...others].map((one) => one[name])).size).toBe(4);
  });
});

it.each<[string, ReturnType<typeof parseMaintainer>]>([
  ['Jane Doe <jane@example.org>', {name: 'Jane Doe', address: 'jane@example.org', isPerson: true}],
  ['Debian QA Group <qa@example.org>', {name: 'Debian QA Group', address: 'qa@example.org', isPerson: false}],
  ['"J. Doe" <j@example.org>', {name: 'J. Doe', address: 'j@example.org', isPerson: true}],
  ['Somebody', {name: 'Somebody', isPerson: true}],
  ['', {name: '', isPerson: true}],
])('parseMaintainer() reads %s', (text, expected) => {
  expect(parseMaintainer(text)).toEqual(expected);
});

it.each([
  ['https://example.org/~a?b=c', true],
  ['http://example.org', true],
  ['ftp://example.org', false],
  ['https://example.org/a b', false],
  ['https://example.org/a[1]', false],
  ['https://example.org/100%', false],
  ['see the README', false],
  [undefined, false],
])('plainUri() takes %s: %s', (text, expected) => {
  expect(plainUri(text) === text && text !== undefined).toBe(expected);
});
