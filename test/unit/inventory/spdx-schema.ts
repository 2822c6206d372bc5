/**
 * SPDX 2.3 in JSON as its specification tells it (https://spdx.github.io/spdx-spec/v2.3/), in our own words, of the parts
 * that we write and closed for all others: no package of the registry carries the schema that the SPDX project publishes.
 * What a JSON Schema cannot say (that ids are unique, and that what is named is there) test/unit/inventory/spdx-rules.ts
 * says.
 */
const id = {type: 'string', pattern: '^SPDXRef-[A-Za-z0-9.-]+$'};
const unknown = ['NOASSERTION', 'NONE'];
/** Annex D: ids of the list or of the document, `WITH`, `AND`, `OR` and parentheses. */
const licence = {
  type: 'string',
  pattern: '^(?:\\(*[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.-]+)?\\)*(?: (?:AND|OR) (?=.)|$))+$',
};
const checksum = {
  type: 'object',
  required: ['algorithm', 'checksumValue'],
  additionalProperties: false,
  properties: {algorithm: {enum: ['SHA1', 'SHA256']}, checksumValue: {type: 'string'}},
  oneOf: [
    {properties: {algorithm: {const: 'SHA1'}, checksumValue: {pattern: '^[0-9a-f]{40}$'}}},
    {properties: {algorithm: {const: 'SHA256'}, checksumValue: {pattern: '^[0-9a-f]{64}$'}}},
  ],
};
const licences = {
  licenseConcluded: licence,
  copyrightText: {type: 'string', minLength: 1},
};

const spdxPackage = {
  type: 'object',
  required: ['SPDXID', 'name', 'downloadLocation'],
  additionalProperties: false,
  properties: {
    SPDXID: id,
    name: {type: 'string', minLength: 1},
    versionInfo: {type: 'string', minLength: 1},
    packageFileName: {type: 'string', minLength: 1},
    supplier: {type: 'string', pattern: '^(?:(?:Person|Organization): .+|NOASSERTION)$'},
    downloadLocation: {enum: unknown},
    filesAnalyzed: {type: 'boolean'},
    packageVerificationCode: {
      type: 'object',
      required: ['packageVerificationCodeValue'],
      additionalProperties: false,
      properties: {packageVerificationCodeValue: {type: 'string', pattern: '^[0-9a-f]{40}$'}},
    },
    checksums: {type: 'array', minItems: 1, items: checksum},
    homepage: {type: 'string', format: 'uri'},
    sourceInfo: {type: 'string'},
    summary: {type: 'string'},
    primaryPackagePurpose: {enum: ['APPLICATION', 'LIBRARY', 'OPERATING_SYSTEM', 'FILE']},
    licenseDeclared: licence,
    licenseInfoFromFiles: {type: 'array', minItems: 1, items: licence},
    hasFiles: {type: 'array', minItems: 1, uniqueItems: true, items: id},
    externalRefs: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        required: ['referenceCategory', 'referenceType', 'referenceLocator'],
        additionalProperties: false,
        properties: {
          referenceCategory: {const: 'PACKAGE-MANAGER'},
          referenceType: {const: 'purl'},
          referenceLocator: {type: 'string', pattern: '^pkg:[A-Za-z0-9.+~_%?&=:@/-]+$'},
        },
      },
    },
    ...licences,
  },
  // 7.9: whoever tells files tells their code; 7.8: who does not has none.
  if: {properties: {filesAnalyzed: {const: false}}, required: ['filesAnalyzed']},
  // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own word.
  then: {not: {anyOf: [{required: ['hasFiles']}, {required: ['packageVerificationCode']}]}},
  else: {required: ['packageVerificationCode']},
};

const file = {
  type: 'object',
  required: ['SPDXID', 'fileName', 'checksums'],
  additionalProperties: false,
  properties: {
    SPDXID: id,
    fileName: {type: 'string', pattern: '^\\./'},
    checksums: {
      type: 'array',
      items: checksum,
      contains: {properties: {algorithm: {const: 'SHA1'}}},
    },
    licenseInfoInFiles: {type: 'array', minItems: 1, items: licence},
    ...licences,
  },
};

export const spdxSchema = {
  type: 'object',
  required: ['spdxVersion', 'dataLicense', 'SPDXID', 'name', 'documentNamespace', 'creationInfo'],
  additionalProperties: false,
  properties: {
    spdxVersion: {const: 'SPDX-2.3'},
    dataLicense: {const: 'CC0-1.0'},
    SPDXID: {const: 'SPDXRef-DOCUMENT'},
    name: {type: 'string', minLength: 1},
    documentNamespace: {type: 'string', format: 'uri', pattern: '^[^#]+$'},
    creationInfo: {
      type: 'object',
      required: ['created', 'creators'],
      additionalProperties: false,
      properties: {
        created: {type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$'},
        creators: {
          type: 'array',
          minItems: 1,
          items: {type: 'string', pattern: '^(?:Person|Organization|Tool): .+$'},
        },
      },
    },
    packages: {type: 'array', items: spdxPackage},
    files: {type: 'array', minItems: 1, items: file},
    hasExtractedLicensingInfos: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        required: ['licenseId', 'extractedText'],
        additionalProperties: false,
        properties: {
          licenseId: {type: 'string', pattern: '^LicenseRef-[A-Za-z0-9.-]+$'},
          extractedText: {type: 'string', minLength: 1},
          name: {type: 'string', minLength: 1},
        },
      },
    },
    relationships: {
      type: 'array',
      items: {
        type: 'object',
        required: ['spdxElementId', 'relationshipType', 'relatedSpdxElement'],
        additionalProperties: false,
        properties: {
          spdxElementId: id,
          relationshipType: {enum: ['DESCRIBES', 'CONTAINS', 'DEPENDS_ON']},
          relatedSpdxElement: id,
        },
      },
    },
  },
};
