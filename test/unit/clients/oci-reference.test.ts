import {describe, expect, it} from 'vitest';
import {readReference, readRepository} from '../../../src/clients/oci/reference.ts';

describe('readRepository()', () => {
  it.each([
    ['registry.example.org/team/web', 'https://registry.example.org/', 'team/web'],
    ['registry.example.org:5000/web', 'https://registry.example.org:5000/', 'web'],
    ['localhost:5000/web', 'http://localhost:5000/', 'web'],
    ['127.0.0.1:5000/a/b/c', 'http://127.0.0.1:5000/', 'a/b/c'],
    ['[::1]:5000/web', 'http://[::1]:5000/', 'web'],
  ])('reads %s', (text, root, repository) => {
    const read = readRepository(text);
    if (!read.ok) throw new Error(read.error);
    expect([read.value.root.href, read.value.repository]).toEqual([root, repository]);
  });

  it('speaks without TLS where it is told to', () => {
    const read = readRepository('registry.example.org/web', {plain: true});
    expect(read.ok && read.value.root.href).toBe('http://registry.example.org/');
  });

  it.each([
    ['web', 'it names no registry'],
    ['user:password@registry.example.org/web', 'it names no registry'],
    ['registry.example.org/Team/web', 'it names no repository of the registry, without a tag'],
    ['registry.example.org/web:tag', 'it names no repository of the registry, without a tag'],
    ['registry.example.org/../web', 'it names no repository of the registry, without a tag'],
  ])('makes no sense of %s', (text, error) => {
    expect(readRepository(text)).toEqual({ok: false, error});
  });
});

describe('readReference()', () => {
  const digest = `sha256:${'0'.repeat(64)}`;

  it.each([
    ['registry.example.org/team/web:1.0', '1.0'],
    [`registry.example.org/team/web@${digest}`, digest],
  ])('reads %s', (text, version) => {
    const read = readReference(text);
    expect(read.ok && read.value).toMatchObject({
      host: 'registry.example.org',
      repository: 'team/web',
      version,
    });
  });

  it.each([
    ['registry.example.org/web', 'it names no repository of the registry, with a tag or a digest'],
    ['registry.example.org/web@sha256:0', 'its digest is not sha256: and 64 digits'],
    ['registry.example.org/web:-x', 'its tag is none'],
  ])('makes no sense of %s', (text, error) => {
    expect(readReference(text)).toEqual({ok: false, error});
  });
});
