import {lstatSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';
import {sha256} from '../../../cache/tree.ts';
import {layOut} from '../../../src/attest/lay-out.ts';
import {
  type ExperimentRecord,
  largestRecordBytes,
  type ProjectEntry,
  recordText,
} from '../../../src/attest/record.ts';
import {readRecord} from '../../../src/attest/record-read.ts';
import {TemporaryFolder} from '../../rig/temporary-folder.ts';

const spec = 'version: 1\nname: web\n';
const disk = {path: 'web.qcow2', size_bytes: 4, sha256: sha256('disk')};
const provenance = JSON.stringify({subject: [{name: disk.path, digest: {sha256: disk.sha256}}]});

const record: ExperimentRecord = {
  version: '1.2.3',
  image: 'web',
  description: 'A web server',
  spec: 'fgimage.yaml',
  profiles: ['dev', 'gpu'],
  entries: [
    {kind: 'folder', path: 'empty'},
    {kind: 'file', path: 'fgimage.lock', bytes: Buffer.from('version: 1\n'), executable: false},
    {kind: 'file', path: 'fgimage.yaml', bytes: Buffer.from(spec), executable: false},
    {kind: 'file', path: 'key.gpg', bytes: Buffer.from([0, 255, 254]), executable: false},
    {kind: 'file', path: 'scripts/set up #1.sh', bytes: Buffer.from('#!/bin/sh\n'), executable: true},
    {kind: 'link', path: 'scripts/latest', target: 'set up #1.sh'},
  ],
  artifacts: [
    {
      target: 'openstack',
      digest: 'd'.repeat(64),
      files: [disk],
      documents: [{path: 'sbom.spdx.json', size_bytes: 2, sha256: sha256('{}')}],
      provenance,
    },
  ],
  startedOn: '2026-01-01T12:00:00Z',
  finishedOn: '2026-01-01T12:06:30Z',
  registrations: [],
  license: 'CC-BY-4.0',
  authors: ['Ada Lovelace <https://orcid.org/0000-0001-2345-6789>', 'Grace'],
};

type Entity = Record<string, unknown>;

describe('recordText', () => {
  it('is an RO-Crate whose every reference leads to an entity', () => {
    const {'@context': context, '@graph': graph} = JSON.parse(recordText(record)) as {
      '@context': unknown[];
      '@graph': Entity[];
    };
    expect(context[0]).toBe('https://w3id.org/ro/crate/1.1/context');
    const ids = graph.map((entity) => entity['@id']);
    expect(new Set(ids).size).toBe(ids.length);
    expect(graph.every((entity) => typeof entity['@type'] === 'string')).toBe(true);
    const isOutside = (id: unknown): boolean =>
      /^http:\/\/schema\.org|^https:\/\/w3id\.org\/ro\/crate/.test(String(id));
    expect(references(graph).filter((id) => !ids.includes(id) && !isOutside(id))).toEqual([]);
    expect(graph.slice(0, 2)).toMatchObject([
      {
        '@id': 'ro-crate-metadata.json',
        '@type': 'CreativeWork',
        about: {'@id': './'},
        conformsTo: {'@id': 'https://w3id.org/ro/crate/1.1'},
      },
      {
        '@id': './',
        '@type': 'Dataset',
        name: 'fgimage record of web',
        description: 'A web server',
        datePublished: '2026-01-01T12:06:30Z',
        license: 'CC-BY-4.0',
        author: [{'@id': 'https://orcid.org/0000-0001-2345-6789'}, {'@id': '#Grace'}],
        registrations: [],
      },
    ]);
    expect(graph.find((entity) => entity['@type'] === 'CreateAction')).toMatchObject({
      instrument: {'@id': '#fgimage'},
      result: [{'@id': 'artifacts/web/openstack/web.qcow2'}],
      startTime: '2026-01-01T12:00:00Z',
      endTime: '2026-01-01T12:06:30Z',
    });
    expect(graph.find((entity) => entity['@id'] === 'scripts/set%20up%20%231.sh')).toEqual({
      '@id': 'scripts/set%20up%20%231.sh',
      '@type': 'File',
      name: 'scripts/set up #1.sh',
      contentSize: '10',
      sha256: sha256('#!/bin/sh\n'),
      executable: true,
      encodingFormat: 'text/plain',
      text: '#!/bin/sh\n',
    });
    expect(graph.find((entity) => entity['@id'] === 'key.gpg')).toMatchObject({contentBase64: 'AP/+'});
  });

  it('defines every word that RO-Crate does not', () => {
    const {'@context': context} = JSON.parse(recordText(record)) as {'@context': [string, Entity]};
    expect(Object.keys(context[1])).toEqual([
      'sha256',
      'contentBase64',
      'executable',
      'linkTarget',
      'registrations',
    ]);
  });

  it('is the same text each time', () => {
    expect(recordText(record)).toBe(recordText({...record}));
  });

  it('refuses files that are too large, and names the largest', () => {
    const large = (path: string, sizeBytes: number): ProjectEntry => ({
      ...{kind: 'file', path, bytes: Buffer.alloc(sizeBytes), executable: false},
    });
    const half = largestRecordBytes / 2;
    const entries = [large('a', half), large('b.iso', half), large('c', 1)];
    expect(() => recordText({...record, entries: entries.slice(0, 2)})).not.toThrow();
    expect(() => recordText({...record, entries: [...entries, large('d.iso', half + 1)]})).toThrow(
      'The files of the project are larger than the 16 MiB of a record: d.iso is 8.0 MiB of 24 MiB',
    );
  });
});

describe('readRecord', () => {
  it('gives what was recorded', () => {
    const read = readRecord(recordText(record));
    expect(read).toEqual({
      ok: true,
      value: {
        version: '1.2.3',
        image: 'web',
        spec: 'fgimage.yaml',
        profiles: ['dev', 'gpu'],
        entries: record.entries,
        artifacts: [{target: 'openstack', files: new Map([[disk.path, disk.sha256]])}],
      },
    });
  });

  it.each<[string, (entity: (id: string) => Entity) => void, string]>([
    [
      'the spec',
      (entity) => Object.assign(entity('fgimage.yaml'), {text: 'version: 2'}),
      'the content of fgimage.yaml has not the digest that stands beside it',
    ],
    [
      'the lock',
      (entity) => Object.assign(entity('fgimage.lock'), {text: ''}),
      'the content of fgimage.lock has not the digest that stands beside it',
    ],
    [
      'a binary',
      (entity) => Object.assign(entity('key.gpg'), {contentBase64: 'AAAA'}),
      'the content of key.gpg has not the digest that stands beside it',
    ],
    [
      'a content away',
      (entity) => delete entity('key.gpg')['contentBase64'],
      'the content of key.gpg is missing',
    ],
    [
      'a digest',
      (entity) => Object.assign(entity('fgimage.yaml'), {sha256: '0'.repeat(64)}),
      'the content of fgimage.yaml has not the digest that stands beside it',
    ],
    [
      "an artifact's digest",
      (entity) => Object.assign(entity('artifacts/web/openstack/web.qcow2'), {sha256: '0'.repeat(64)}),
      'the digest of artifacts/web/openstack/web.qcow2 is not that of its provenance',
    ],
    [
      'an artifact away',
      (entity) => Object.assign(entity('artifacts/web/openstack/'), {hasPart: []}),
      'it does not list the files of artifacts/web/openstack that its provenance has',
    ],
    [
      'the provenance',
      (entity) => Object.assign(entity('artifacts/web/openstack/provenance.intoto.json'), {text: '{}'}),
      'the content of artifacts/web/openstack/provenance.intoto.json has not the digest that stands beside it',
    ],
    ['the profile', (entity) => Object.assign(entity('./'), {conformsTo: []}), 'it is no record of fgimage'],
    [
      'the spec away',
      (entity) => Object.assign(entity('./'), {mainEntity: {'@id': 'key.txt'}}),
      'it holds no spec',
    ],
    [
      'an entity away',
      (entity) => Object.assign(entity('fgimage.yaml'), {'@id': 'x'}),
      'it has no fgimage.yaml',
    ],
    ['the image', (entity) => Object.assign(entity('#image'), {value: 7}), '#image has no value'],
  ])('names what was done to %s', (_, tamper, error) => {
    expect(readRecord(changed(tamper))).toEqual({ok: false, error});
  });

  it.each(['../evil', '/etc/passwd', 'a/../../b', 'a//b', '%2e%2e/evil', 'a/%2e%2e/b', 'nul%00'])(
    'does not take a file by the path %s',
    (id) => {
      const text = changed((entity) => {
        Object.assign(entity('key.gpg'), {'@id': id});
        Object.assign(entity('./'), {hasPart: [{'@id': 'fgimage.yaml'}, {'@id': id}]});
      });
      const read = readRecord(text);
      expect(read.ok ? '' : read.error).toMatch(/leads out of the project$/);
    },
  );

  it.each([
    ['x', 'it is no JSON'],
    ['7', 'it is no RO-Crate metadata document'],
    ['{"@graph":[7]}', 'an entity of it has no @id'],
    ['{"@graph":[{"@id":"a"},{"@id":"a"}]}', 'it has a twice'],
    ['{"@graph":[]}', 'it has no ./'],
  ])('refuses %s', (text, error) => {
    expect(readRecord(text)).toEqual({ok: false, error});
  });
});

describe('layOut', () => {
  it('writes files, execute bits, links and folders', () => {
    using folder = new TemporaryFolder();
    const place = folder.join('fresh');
    layOut(place, record.entries);
    expect(readFileSync(folder.join('fresh/fgimage.yaml'), 'utf8')).toBe(spec);
    expect(readFileSync(folder.join('fresh/key.gpg'))).toEqual(Buffer.from([0, 255, 254]));
    expect(statSync(folder.join('fresh/scripts/set up #1.sh')).mode & 0o100).toBe(0o100);
    expect(statSync(folder.join('fresh/fgimage.yaml')).mode & 0o100).toBe(0);
    expect(readlinkSync(folder.join('fresh/scripts/latest'))).toBe('set up #1.sh');
    expect(lstatSync(folder.join('fresh/empty')).isDirectory()).toBe(true);
  });

  it('does not write into a folder with something in it', () => {
    using folder = new TemporaryFolder({'fresh/notes': ''});
    expect(() => layOut(folder.join('fresh'), record.entries)).toThrow(/^The folder .*fresh is not empty$/);
  });

  it('writes nothing through a link', () => {
    using folder = new TemporaryFolder();
    mkdirSync(folder.join('outside'));
    const entries: readonly ProjectEntry[] = [
      {kind: 'link', path: 'a', target: folder.join('outside')},
      {kind: 'file', path: 'a/b', bytes: Buffer.from('x'), executable: false},
    ];
    expect(() => layOut(folder.join('fresh'), entries)).toThrow(/^Cannot write the project to /);
    expect(lstatSync(folder.join('outside/b'), {throwIfNoEntry: false})).toBeUndefined();
  });

  it('says where it cannot write', () => {
    using folder = new TemporaryFolder();
    writeFileSync(folder.join('file'), '');
    expect(() => layOut(folder.join('file/x'), record.entries)).toThrow(/^Cannot write the project to /);
    expect(() => layOut('/proc/fgimage/x', record.entries)).toThrow(/^Cannot write the project to /);
  });
});

function changed(tamper: (entity: (id: string) => Entity) => void): string {
  const document = JSON.parse(recordText(record)) as {'@graph': Entity[]};
  tamper((id) => {
    const found = document['@graph'].find((entity) => entity['@id'] === id);
    if (found === undefined) throw new Error(`There is no ${id}`);
    return found;
  });
  return JSON.stringify(document);
}

/** Every id that an entity refers to. */
function references(graph: readonly Entity[]): readonly unknown[] {
  const inside = (value: unknown): readonly unknown[] => {
    if (typeof value !== 'object' || value === null) return [];
    if (Array.isArray(value)) return (value as readonly unknown[]).flatMap(inside);
    const {'@id': id} = value as Entity;
    return id === undefined ? Object.values(value).flatMap(inside) : [id];
  };
  return graph.flatMap((entity) => Object.values(entity).flatMap(inside));
}
